"""As whom a process was in its group when it was killed. The one after it says goodbye in its name.

Otherwise the group would wait for it until its session is over, and whoever joins meanwhile, such as the same process
started again, holds up all others for as long: no member may work while the group decides.
"""

import asyncio
from contextlib import suppress
from pathlib import Path


class MemberFile:
    """`path`: in a folder that one process has at a time. A file that cannot be used is of no other consequence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def recall(self) -> str | None:
        """The member that is remembered."""
        with suppress(OSError, ValueError):
            return await asyncio.to_thread(self._path.read_text, "utf-8") or None
        return None

    async def remember(self, member_id: str) -> None:
        with suppress(OSError):
            await asyncio.to_thread(self._path.write_text, member_id, "utf-8")
