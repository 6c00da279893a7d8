// Keeps all codecs on this device, for files that come when there is no network.

import { MscnError } from "./errors.js";
import { attempt, bytesText, element, say, showProgress } from "./page.js";

const CACHE = "mscn"; // that of download.js

/** Offers it where the browser can, and some aren't kept yet. */
export async function offerToKeep() {
  const cache = await globalThis.caches?.open(CACHE).catch(() => undefined);
  const answer = await fetch("bundles/sizes.json");
  if (!cache || !answer.ok) return;
  const missing = [];
  for (const [file, bytes] of Object.entries(await answer.json())) {
    const url = new URL(`bundles/${file}`, location.href);
    if (!(await cache.match(url))) missing.push({ url, bytes });
  }
  const total = missing.reduce((sum, { bytes }) => sum + bytes, 0);
  const button = element("keep");
  button.textContent = `Keep all codecs for use without a network (${bytesText(total)})`;
  button.hidden = !missing.length;
  button.onclick = () => attempt(() => keep(cache, missing, total));
}

async function keep(cache, missing, total) {
  element("keep").disabled = true;
  let kept = 0;
  try {
    for (const { url, bytes } of missing) {
      showProgress(kept / total, "Fetching codecs");
      await cache.add(url);
      kept += bytes;
    }
    say("All codecs are kept on this device.");
  } catch {
    throw new MscnError("Not all codecs could be kept; is there a network, and room on this device?");
  } finally {
    element("keep").disabled = false;
    await offerToKeep();
  }
}
