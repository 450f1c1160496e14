"""`Idempotency-Key`: a request that is repeated with its key does nothing twice, and has its first answer again.

After the IETF's draft: 422 where a key comes with another request, 409 while the first one is being answered. Errors
are not kept: they have changed nothing, and whoever mends their cause may ask again with the same key.
"""

import hashlib
from collections.abc import Callable

import sqlalchemy as sa
from fastapi.responses import Response

from pipeline.api.errors import KeyInUseError, KeyReusedError
from pipeline.storage.database import Database
from pipeline.storage.idempotency import FirstAnswer, claim, first_answer, keep_answer

REPLAYED = "Idempotent-Replayed"


def answered_once(
    database: Database, requester: str, key: str | None, request: str, work: Callable[[sa.Connection], str]
) -> Response:
    """The JSON that ``work`` makes in a transaction; without working, where a request with this key was answered.

    Parameters
    ----------
    requester
        Whose keys they are.
    key
        The header's value; None where there is none.
    request
        What is asked for, written the same whenever it means the same.

    Raises
    ------
    KeyInUseError, KeyReusedError
        The key's request is being answered; the key came with another one.
    """
    with database.begin() as conn:
        if key is None:
            return _json(work(conn).encode())
        name, digest = _bare(key), hashlib.sha256(request.encode()).hexdigest()
        if not claim(conn, requester, name):
            raise KeyInUseError("a request with the same Idempotency-Key is being answered")
        first = first_answer(conn, requester, name)
        if first is not None and first.request_digest != digest:
            raise KeyReusedError("this Idempotency-Key came with another request before; a new request needs a new key")
        if first is not None:
            return _json(first.answer, headers={REPLAYED: "true"})
        answer = work(conn).encode()
        keep_answer(conn, requester, name, FirstAnswer(digest, answer))
        return _json(answer)


def _bare(key: str) -> str:
    """The key without the quotes that the draft has around it."""
    return key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key


def _json(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, media_type="application/json", headers=headers)
