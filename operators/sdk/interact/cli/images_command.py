"""`interact images`: the last pictures of pipelines that run, as files."""

import asyncio
from pathlib import Path

from interact_api import names

from interact import _jetstream, _live_values, _pictures
from interact._errors import BrokerError, InteractError
from interact.cli.exits import CommandError, Exit

_PIPELINE = "interact.science/pipeline"
_NAMESPACE = "interact.science/namespace"
_PREFIX = "interact-images"


def save(
    folder: Path, url: str, token_file: Path | None, pipeline: str, namespace: str
) -> list[Path]:
    """Write the last pictures of the pipelines of a server.

    Args:
        folder: Where to; a folder for each pipeline below it where there are several.
        url: The server.
        token_file: A file with the token it asks for.
        pipeline: Only this one; all when empty.
        namespace: Only pipelines of this one; all when empty.

    Raises:
        CommandError: If there is no server, or no such pipeline.
    """
    try:
        token = token_file.read_text(encoding="utf-8").strip() if token_file else None
        return asyncio.run(_save(folder, url, token, pipeline, namespace))
    except BrokerError as error:
        raise CommandError(Exit.NO_NATS, str(error)) from error
    except (InteractError, OSError) as error:
        raise CommandError(Exit.USAGE, str(error)) from error


async def _save(
    folder: Path, url: str, token: str | None, pipeline: str, namespace: str
) -> list[Path]:
    async with _jetstream.connect(url, name="interact images", token=token) as broker:
        found = await _streams(broker, pipeline, namespace)
        if not found:
            wanted = f"pipeline {pipeline!r}" if pipeline else "pipeline"
            raise CommandError(Exit.USAGE, f"{url} has no {wanted} with pictures")
        files: list[Path] = []
        for (space, name), stream in found.items():
            bucket = names.state_bucket(space, name)
            try:
                raw = await broker.get(bucket, _live_values.KEY)
            except BrokerError:
                raw = None  # a pipeline without state has no parameters to tell
            target = folder / name if len(found) > 1 else folder
            gallery = _pictures.Gallery(target, _live_values.by_operator(raw))
            files += await gallery.update(broker, stream)
        return files


async def _streams(
    broker: _jetstream.JetStream, pipeline: str, namespace: str
) -> dict[tuple[str, str], str]:
    """The streams of pictures, by namespace and pipeline."""
    found: dict[tuple[str, str], str] = {}
    for info in await broker.context.streams_info():
        facts = info.config.metadata or {}
        space, name = facts.get(_NAMESPACE, ""), facts.get(_PIPELINE, "")
        is_ours = (info.config.name or "").startswith(_PREFIX)
        if is_ours and pipeline in {"", name} and namespace in {"", space}:
            found[space, name] = info.config.name or ""
    return found
