"""Celery's filesystem transport, with messages that appear whole.

kombu 5.7 creates the file under its final name and then writes it, so a worker that polls in between reads half a
message and ends with a JSONDecodeError. Here it is written beside and moved into place.
"""

import os
import time
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """As kombu's, but for how a message is put."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{round(time.monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        # A name that begins with a dot and does not end in the queue's ending is nobody's message.
        beside = os.path.join(self.data_folder_out, f".{name}.part")
        try:
            with open(beside, "w", encoding="utf-8") as file:
                file.write(dumps(payload))
            os.replace(beside, os.path.join(self.data_folder_out, name))
        except OSError as error:
            raise ChannelError(f"The broker's folder takes no message: {error}") from error


class Transport(filesystem.Transport):
    """Named in the settings as `unspoken.jobs.files:Transport`."""

    Channel = Channel
