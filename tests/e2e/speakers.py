"""A WebSocket client that asks and is answered, for tests of what the hub says to whom."""

from clients import ENDS, Game

AUTH_MESSAGE = "Authentication required - check your auth_token"
ACK = {"event": "apriltag_ack", "status": "received"}


def auth_failed(reason):
    """The hub's refusal of somebody who did not prove to be a camera."""
    return {"event": "auth_failed", "error": f"{reason} auth_token", "message": AUTH_MESSAGE}


class Speaker(Game):
    """Has read its welcome and has no role yet; every bit on the wire is still yours."""

    def ask(self, message):
        """Sends an object, or text as it is, and returns the next message."""
        if isinstance(message, (str, bytes)):
            self.send_text(message)
        else:
            self.send_json(message)
        return self.recv_json()

    def answers(self):
        """Whatever the hub says to all that was sent so far. A text that is no object ends it: the
        refusal keeps its place among the replies and leaves every role as it is."""
        self.send_text("[]")
        answers = []
        while (answer := self.recv_json())["event"] != "error":
            answers.append(answer)
        return answers

    def identify_camera(self, **about):
        """Becomes a camera and returns self; `about` are members of data to add or replace."""
        reply = self.ask({"event": "identify",
                          "data": {"type": "esp32", "auth_token": self.hub.token, **about}})
        assert reply == {"event": "identify_success", "client_type": "esp32"}
        return self

    def report(self, record):
        """Sends a record and awaits its acknowledgement."""
        assert self.ask({"event": "apriltag_data", **record}) == ACK

    def is_camera(self):
        """Whether the hub takes telemetry from this connection."""
        answer = self.ask({"event": "apriltag_data", "tag_id": 1, "camera_name": "is-camera"})
        assert answer in (ACK, auth_failed("Missing")), answer
        return answer == ACK


def speakers_on_every_worker(hub, stack):
    """Clients on both ports and every gateway worker, closed with the ExitStack."""
    speakers, missing = [], set(hub.workers("gateway"))
    while missing or len(speakers) < 2 * len(ENDS):
        assert len(speakers) < 100, "the workers do not share the connections"
        speakers.append(stack.enter_context(Speaker(hub, ENDS[len(speakers) % len(ENDS)])))
        missing.discard(hub.worker_of(speakers[-1].sock))
    return speakers
