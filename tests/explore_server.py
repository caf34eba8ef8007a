"""A server of the page in this process, and what a client asks it."""

import contextlib
import http.client
import json
import threading
import urllib.parse

from onnx import helper
from onnx_models import model, value, weights

from airchitect_jax.explore import Server


@contextlib.contextmanager
def running():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def request(server, method, path, body=None, **headers):
    """(status, headers, body) of a request; None as a header's value leaves it out."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True)
        headers = {"Host": f"127.0.0.1:{server.server_port}"} | headers
        for name, text in headers.items():
            if text is not None:
                connection.putheader(name.replace("_", "-"), text)
        if body is not None and "Content_Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def answer(server, **question):
    """The status and the JSON of an answer."""
    status, _, body = request(server, "GET", f"/answer?{urllib.parse.urlencode(question, True)}")
    return status, json.loads(body)


def send(server, name, data):
    """The status and the JSON of an upload."""
    origin = f"http://127.0.0.1:{server.server_port}"
    path = "/files?" + urllib.parse.urlencode({"name": name})
    status, _, body = request(server, "POST", path, data, Origin=origin)
    return status, json.loads(body)


def small_model():
    """An ONNX model of one product with an open batch size."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    return model(nodes, [value("x", "batch", 48)], [weights("w", 48, 40)]).SerializeToString()
