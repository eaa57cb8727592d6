"""For gunicorn: who answered, and whom."""
import os


def app(environ, start_response):
    body = f"pid={os.getpid()}\npeer={environ['REMOTE_ADDR']}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
