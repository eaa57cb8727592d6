#include "tests/e2e/document.h"

#include <cctype>
#include <sstream>
#include <string_view>

namespace oxherd::e2e {
namespace {

constexpr std::string_view kFence = "```";
constexpr std::string_view kPrompt = "$ ";
constexpr std::string_view kBegin = "<!-- docs: ";
constexpr std::string_view kEnd = " -->";
constexpr std::size_t kShortestWord = 4;

std::string After(const std::string& text, std::string_view begin) {
  return text.starts_with(begin) ? text.substr(begin.size()) : std::string();
}

class Reader {
 public:
  std::vector<DocumentStep> Read(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      ++number_;
      if (line.starts_with(kBegin) && line.ends_with(kEnd)) {
        Directive(line.substr(kBegin.size(), line.size() - kBegin.size() - kEnd.size()));
      } else if (line.starts_with(kFence)) {
        is_inside_ = !is_inside_;
        if (!is_inside_) EndBlock();
      } else if (is_inside_) {
        InBlock(line);
      }
    }
    return std::move(steps_);
  }

 private:
  void Directive(const std::string& said) {
    DocumentStep step;
    step.line = number_;
    if (!After(said, "folder ").empty()) {
      step.kind = DocumentStep::Kind::kFolder;
      step.text = After(said, "folder ");
    } else if (!After(said, "do ").empty()) {
      step.kind = DocumentStep::Kind::kHidden;
      step.text = After(said, "do ");
    } else if (!After(said, "exits ").empty()) {
      exit_code_ = std::stoi(After(said, "exits "));
      return;
    } else {
      not_run_ = After(said, "not run: ");
      return;
    }
    steps_.push_back(std::move(step));
  }

  void InBlock(const std::string& line) {
    if (line.starts_with(kPrompt)) {
      if (block_.commands.empty()) block_.line = number_;
      block_.commands.push_back({line.substr(kPrompt.size()), ""});
    } else if (!block_.commands.empty()) {
      block_.commands.back().shown += line + "\n";
    }
  }

  void EndBlock() {
    if (!block_.commands.empty()) {
      block_.kind = not_run_.empty() ? DocumentStep::Kind::kBlock : DocumentStep::Kind::kNotRun;
      block_.text = not_run_;
      block_.exit_code = exit_code_;
      steps_.push_back(std::move(block_));
      not_run_.clear();
      exit_code_ = 0;
    }
    block_ = {};
  }

  std::vector<DocumentStep> steps_;
  DocumentStep block_;
  std::string not_run_;
  int exit_code_ = 0;
  std::size_t number_ = 0;
  bool is_inside_ = false;
};

}  // namespace

std::vector<DocumentStep> ReadDocument(const std::string& text) { return Reader().Read(text); }

std::vector<std::string> WordsMissing(const std::string& shown, const std::string& printed) {
  std::vector<std::string> missing;
  std::string word;
  for (const char c : shown + "\n") {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word += c;
      continue;
    }
    if (word.size() >= kShortestWord && printed.find(word) == std::string::npos) {
      missing.push_back(word);
    }
    word.clear();
  }
  return missing;
}

}  // namespace oxherd::e2e
