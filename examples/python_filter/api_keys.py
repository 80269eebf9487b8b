"""Lets requests in that know a key; counts them per key; tells the upstream whose request it is."""
from collections import Counter

from gmosn.filter.api import HttpFilter, Response


class ApiKeys(HttpFilter):
    def __init__(self, config):
        self.owners = {key.encode(): owner.encode() for key, owner in config["keys"].items()}
        self.used = Counter()

    def on_request(self, stream):
        owner = self.owners.get(stream.request.get(b"x-api-key"))
        if owner is None:
            return Response(401, "who are you?\n", [(b"www-authenticate", b"ApiKey")], details="no_api_key")
        self.used[owner] += 1
        stream.data(self)["owner"] = owner
        stream.request.remove(b"x-api-key")
        stream.request.set(b"x-owner", owner)

    def on_response(self, stream):
        if "owner" in stream.data(self):
            stream.response.set(b"x-owner", stream.data(self)["owner"])
