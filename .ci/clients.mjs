// GREEN-API's JavaScript package against the sandbox: a receive loop, getAvatar, state, settings and contacts.

import assert from "node:assert/strict";
import { GreenApiClient } from "@green-api/whatsapp-api-client-js-v2";

const { GREEN_API_URL: url, GREEN_API_ID_INSTANCE: idInstance, GREEN_API_TOKEN_INSTANCE: apiTokenInstance } = process.env;
const chat = "11001234567@c.us";

// The package has no option for the host. A subclass may override this method; the package itself is unchanged.
class Client extends GreenApiClient {
  buildUrl() {
    return `${url}/waInstance${this.instance.idInstance}`;
  }
}

// The package prints every failure before it throws it.
console.error = console.log = () => {};
const client = new Client({ idInstance: Number(idInstance), apiTokenInstance });
const post = (path, value) =>
  fetch(url + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
const request = (chatId) => post(`/waInstance${idInstance}/getAvatarAsync/${apiTokenInstance}`, { chatId });

assert.deepEqual(await client.getStateInstance(), { stateInstance: "authorized" });
const settings = await client.getSettings();
assert.equal(settings.webhookUrl, "");
assert.equal(settings.incomingWebhook, "yes");

const contacts = await client.getContacts();
assert.deepEqual(contacts[0], { id: chat, name: "Ada Lovelace", contactName: "Ada (work)", type: "user" });
assert.ok(contacts.some((contact) => contact.type === "group"));
assert.equal((await client.getWaSettings()).historySyncProgress, 100);

const found = await client.getAvatar({ chatId: chat });
assert.equal(found.available, true);
const picture = await fetch(found.urlAvatar);
assert.equal(picture.headers.get("content-type"), "image/jpeg");
assert.deepEqual([...new Uint8Array(await picture.arrayBuffer()).slice(0, 3)], [0xff, 0xd8, 0xff]);
assert.deepEqual(await client.getAvatar({ chatId: "11001234902@c.us" }), { urlAvatar: "", available: false });
await assert.rejects(client.getAvatar({ chatId: "11001234400@c.us" }), /status code 400.*bad request data/);
await assert.rejects(client.getAvatar({ chatId: "11001234466@c.us" }), /466.*Monthly quota has been exceeded/);
await assert.rejects(client.getStateInstance(), /status code 429/, "one a second");
await assert.rejects(new Client({ idInstance: Number(idInstance), apiTokenInstance: "wrong" }).getSettings(), /status code 401/);

// A receive loop as the package's own documentation has it.
assert.equal((await request(chat)).status, 200);
await post("/_sandbox/notifications", { typeWebhook: "incomingMessageReceived", idMessage: "F7A" });
assert.equal((await request("11001234901@c.us")).status, 200);
const seen = [];
while (seen.length < 3) {
  const notification = await client.receiveNotification(5);
  assert.ok(notification, "three come");
  seen.push(notification.body.avatarInfo?.chatId ?? notification.body.typeWebhook);
  assert.equal((await client.deleteNotification(notification.receiptId)).result, true);
  assert.equal((await client.deleteNotification(notification.receiptId)).result, false);
}
assert.deepEqual(seen.sort(), ["11001234567@c.us", "11001234901@c.us", "incomingMessageReceived"]);
assert.equal(await client.receiveNotification(5), null);

process.stdout.write("@green-api/whatsapp-api-client-js-v2 works with the sandbox\n");
