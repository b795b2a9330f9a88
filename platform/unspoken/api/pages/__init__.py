"""What people look at: the dashboard, the demo chat, and the files of both. Rendered here, from unspoken/web."""

from fastapi import APIRouter

from unspoken.api.pages import front, static

router = APIRouter()
for each in (front, static):
    router.include_router(each.router)
