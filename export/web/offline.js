// The service worker: keeps what the page was made of, for when there is no network. Codecs, whose
// names say what they hold, are kept by the page's own worker (download.js).

const KEPT = "mscn";

/** Fetches what the page needs, once it is there. */
async function fill() {
  const cache = await caches.open(KEPT);
  const answer = await fetch("files.json");
  await cache.addAll(["./", "files.json", ...(await answer.json())]);
}

/** From the network, and kept; what was kept where there is none. */
async function answered(request) {
  const cache = await caches.open(KEPT);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: request.mode === "navigate" });
    if (kept) return kept;
    throw error;
  }
}

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(fill());
});
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && new URL(url).origin === location.origin && !url.endsWith(".mscnb")) {
    event.respondWith(answered(event.request));
  }
});
