"""The wires, one file each: the request and answer shapes of a kind of client."""
