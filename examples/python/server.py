"""An ordinary threaded server from Python's standard library. It knows nothing of signals or reloads."""
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        body = f"hello from process {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


address = ("127.0.0.1", int(os.environ["PORT"]))
print(f"listening on http://{address[0]}:{address[1]}", flush=True)
ThreadingHTTPServer(address, Handler).serve_forever()
