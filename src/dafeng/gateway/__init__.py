"""The gateway: meters report over TCP, and an acknowledged reading is never lost.

The protocol is pure: `framing` (bytes to frames and back), `cipher`, `message_xml` (bodies to `messages` and back), `session`
(both ends as state machines that take bytes and a clock value and give steps), `decoding` (frames in plain words). Around it stand
server, spool and delivery, the simulator and the upper centre. Import the module that is needed: none is loaded here.
"""
