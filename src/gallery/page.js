"use strict";
// To a browser that runs scripts the list is a text: it is parsed here, apart from the page, so that no picture is
// loaded before its chat is shown.
const source = document.querySelector("noscript");
const template = document.createElement("template");
template.innerHTML = source.textContent;
const list = template.content.getElementById("chats");
const search = document.getElementById("search");
const order = document.getElementById("order");
const count = document.getElementById("count");
const none = document.getElementById("none");
const all = count.textContent;
const { compare } = new Intl.Collator(undefined, { numeric: true });

// Letters without accents and case.
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
// The page comes with the newest change first. A chat without a name has its id in the heading.
const chats = [...list.children].map((item) => {
  const name = item.querySelector("h2").textContent;
  return { item, name, isNamed: name !== item.id, text: plain(`${name} ${item.id}`), digits: item.id.replace(/\D/g, "") };
});

// Finds a number however it is written, and any other text by all of its words.
function matcher(query) {
  const digits = query.replace(/\D/g, "");
  if (digits && /^[\d\s()+.\/-]*$/.test(query)) return (chat) => chat.digits.includes(digits) || chat.text.includes(query);
  const words = plain(query).split(/\s+/);
  return (chat) => words.every((word) => chat.text.includes(word));
}

// Only what is near the screen is in the list: 10,000 chats stay quick.
const end = document.getElementById("end");
const observer = new IntersectionObserver(([entry]) => entry.isIntersecting && showMore(), { rootMargin: "1500px" });
let waiting = [];
function showMore() {
  list.append(...waiting.splice(0, 100).map((chat) => chat.item));
  // Observed anew, it reports again if the end is still near.
  observer.unobserve(end);
  if (waiting.length) observer.observe(end);
}

let byName;
function update() {
  byName ??= [...chats].sort((a, b) => b.isNamed - a.isNamed || compare(a.name, b.name));
  const query = search.value.trim();
  waiting = (order.value === "name" ? byName : chats).filter(matcher(query));
  const found = waiting.length;
  list.replaceChildren();
  showMore();
  count.textContent = query ? `${found} of ${chats.length} chats` : all;
  if (chats.length) {
    none.textContent = "No chat matches.";
    none.hidden = found > 0;
  }
}

search.addEventListener("input", update);
order.addEventListener("change", update);
// A browser that comes back to the page keeps what was typed, or fills it in again.
addEventListener("pageshow", ({ persisted }) => persisted || update());
update();
source.replaceWith(list);
document.getElementById("controls").hidden = false;
