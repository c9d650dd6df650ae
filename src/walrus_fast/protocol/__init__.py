"""What goes over the admin socket: frames, commands, answers. `docs/protocol.md` has the bytes.

A frame is a 4-byte big-endian length and that many bytes of msgpack. Every message is a map whose `type` says what
it is. New fields get defaults and unknown ones are ignored, so that either side may be the newer one; the version
changes only when that is not enough.
"""
