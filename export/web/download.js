// Fetches large files of this server for a worker, and tells the page how much has come.

import { MscnError } from "./errors.js";

const CACHE = "mscn"; // that of offline.js

/**
 * The bytes of a file.
 * @param {URL} url
 * @param {string} what Is being fetched, for the bar.
 * @param {boolean} [keep] Whether to keep it on this device: one whose name says what it holds.
 * @returns {Promise<Uint8Array|null>} Null where the server has none.
 * @throws {MscnError} It can't be reached.
 */
export async function download(url, what, keep = false) {
  // There is no such store where the page comes over plain HTTP, or where the user allows none.
  const cache = keep ? await globalThis.caches?.open(CACHE).catch(() => undefined) : undefined;
  const kept = await cache?.match(url);
  if (kept) return new Uint8Array(await kept.arrayBuffer());
  try {
    const answer = await fetch(url);
    if (!answer.ok) return null;
    const bytes = await bytesOf(answer, what);
    await cache?.put(url, new Response(bytes)).catch(() => {}); // there may be no room
    return bytes;
  } catch {
    const name = url.pathname.split("/").pop();
    throw new MscnError(`${name} can't be fetched, and is not kept on this device; is there a network?`);
  } finally {
    postMessage({ progress: null });
  }
}

async function bytesOf(answer, what) {
  const total = Number(answer.headers.get("Content-Length"));
  const parts = [];
  let loaded = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    // Of a file that the server compresses more bytes come than it says.
    if (total) postMessage({ progress: Math.min(loaded / total, 1), what });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
