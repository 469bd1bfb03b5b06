"""GREEN-API's Python package against the sandbox: the receive loop, getAvatar, state, settings, contacts and chats."""

import json
import logging
import os
import urllib.request

from whatsapp_api_client_python import API

# Otherwise it logs every answer.
logging.disable()

URL = os.environ["GREEN_API_URL"]
ID = os.environ["GREEN_API_ID_INSTANCE"]
TOKEN = os.environ["GREEN_API_TOKEN_INSTANCE"]
CHAT = "11001234567@c.us"

# The host is an option of the unchanged package.
api = API.GreenAPI(ID, TOKEN, host=URL, media=URL)


def post(path, value):
    """Calls that the package has no method for: getAvatarAsync, and the sandbox's own."""
    request = urllib.request.Request(URL + path, json.dumps(value).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return answer.status, answer.read()


def same(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


state = api.account.getStateInstance()
same((state.code, state.data), (200, {"stateInstance": "authorized"}))

settings = api.account.getSettings()
same((settings.code, settings.data["webhookUrl"], settings.data["incomingWebhook"]), (200, "", "yes"))

account = api.account.getWaSettings()
same((account.data["chatId"], account.data["historySyncProgress"]), (CHAT, 100))

# One call a second is allowed: the package itself repeats after a 429.
people = api.serviceMethods.getContacts(group=False).data
same(people[0], {"id": CHAT, "name": "Ada Lovelace", "contactName": "Ada (work)", "type": "user"})
groups = api.serviceMethods.getContacts(group=True, count=1).data
same(groups, [{"id": "120363043968066561@g.us", "name": "Family", "type": "group"}])
chats = api.serviceMethods.getChats(count=3).data
same([chat["type"] for chat in chats], ["group", "group", "user"])
wrong = api.serviceMethods.getChats(count="many")
same((wrong.code, "json: cannot unmarshal" in wrong.error), (400, True))

found = api.serviceMethods.getAvatar(CHAT)
same((found.code, found.data["available"]), (200, True))
with urllib.request.urlopen(found.data["urlAvatar"]) as picture:
    same((picture.status, picture.read(3)), (200, b"\xff\xd8\xff"))

same(api.serviceMethods.getAvatar("11001234901@c.us").data, {"urlAvatar": "", "available": True})
same(api.serviceMethods.getAvatar("11001234902@c.us").data, {"urlAvatar": "", "available": False})
refused = api.serviceMethods.getAvatar("11001234400@c.us")
same((refused.code, json.loads(refused.error)["message"]), (400, "bad request data"))
same(api.serviceMethods.getAvatar("1@c.us").code, 400)
same(api.serviceMethods.getAvatar("11001234466@c.us").code, 466)
# The package itself repeats after a 429: two refusals, then success.
same(api.serviceMethods.getAvatar("11001234429@c.us").code, 200)
stranger = API.GreenAPI(ID, "wrong" + TOKEN, host=URL)
same((stranger.account.getStateInstance().code, stranger.account.getStateInstance().error), (401, ""))

# The receive loop: a result, another notification, another result; each once and in this order.
same(post(f"/waInstance{ID}/getAvatarAsync/{TOKEN}", {"chatId": CHAT}), (200, b""))
head = api.receiving.receiveNotification(5)
same(head.data["body"]["avatarInfo"]["chatId"], CHAT)
same(api.receiving.receiveNotification(5).data, head.data)
post("/_sandbox/notifications", {"typeWebhook": "incomingMessageReceived", "idMessage": "F7A"})
same(post(f"/waInstance{ID}/getAvatarAsync/{TOKEN}", {"chatId": "11001234901@c.us"}), (200, b""))
seen = []


def on_event(kind, body):
    seen.append((kind, body.get("avatarInfo", {}).get("chatId")))
    if len(seen) == 3:
        api.webhooks.stopReceivingNotifications()


api.webhooks.startReceivingNotifications(on_event)
same(seen, [("deviceInfo", CHAT), ("incomingMessageReceived", None), ("deviceInfo", "11001234901@c.us")])

same(api.receiving.deleteNotification(head.data["receiptId"]).data["result"], False)
nothing = api.receiving.receiveNotification(5)
same((nothing.code, nothing.data), (200, None))
print("whatsapp-api-client-python works with the sandbox")
