"""What people look at: the dashboard, the demo chat, and the files of both. Rendered here, from unspoken/web."""

from fastapi import APIRouter

from unspoken.api.pages import (
    audit,
    chat,
    conversations,
    erasure,
    front,
    jobs,
    keys,
    labels,
    live,
    models,
    reports,
    sdk,
    session,
    signals,
    static,
)

router = APIRouter()
for each in (
    audit,
    chat,
    conversations,
    erasure,
    front,
    jobs,
    keys,
    labels,
    live,
    models,
    reports,
    sdk,
    session,
    signals,
    static,
):
    router.include_router(each.router)
