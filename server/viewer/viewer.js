// Shows a picture of this server by its IIIF tiles; the address names it: ?id=NAME&item=N.

const $ = (id) => document.getElementById(id);
const viewer = OpenSeadragon({
  element: $("picture"),
  prefixUrl: "openseadragon/images/",
  showNavigator: true,
  maxZoomPixelRatio: 4,
  // Few at a time, so that what is looked at now waits for little; a busy server is asked again.
  imageLoaderLimit: 4,
  timeout: 120_000,
  tileRetryMax: 5,
  tileRetryDelay: 2000,
});

async function fetched(address) {
  const response = await fetch(address);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

/** Ids of all stored files. */
async function listed() {
  const ids = [];
  for (let after = ""; after !== null;) {
    const { files, next } = await fetched(`../files?after=${encodeURIComponent(after)}`);
    ids.push(...files.map(({ id }) => id));
    after = next;
  }
  return ids;
}

function tell(problem) {
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
}

async function show(id, item) {
  tell("");
  viewer.close();
  for (const part of ["facts", "download"]) $(part).hidden = true;
  const { name, size, codec, quality, items, channels, original_zoom: zoom } =
    await fetched(`../files/${id}?item=${item}`);
  $("of-archive").hidden = items === 1;
  $("item").max = items - 1;
  $("item").value = item;
  $("facts").textContent =
    `${name ?? id}: ${size.join("×")}, ${channels} channels, ${codec}, quality ${quality}`;
  $("facts").hidden = false;
  if (zoom === null) throw new Error(`${id} holds no pictures`);
  $("download").href = `../signals/${id}?item=${item}&format=png`;
  $("download").download = `${id}.png`;
  $("download").hidden = false;
  viewer.open(`../iiif/${id}:${item}/info.json`);
}

/** Shows what is chosen, and puts it into the address. */
async function choose(item) {
  const id = $("files").value;
  history.replaceState(null, "", `?${new URLSearchParams({ id, item })}`);
  await show(id, item).catch((error) => tell(error.message));
}

viewer.addHandler("open-failed", ({ message }) => tell(message));
viewer.addHandler("tile-load-failed", () => tell("the server is busy: a part is missing; reload"));
$("files").addEventListener("change", () => choose(0));
$("item").addEventListener("change", () => choose(Number($("item").value)));

try {
  const wanted = new URLSearchParams(location.search);
  $("files").append(...(await listed()).map((id) => new Option(id)));
  if (wanted.has("id")) $("files").value = wanted.get("id");
  if ($("files").value) await choose(Number(wanted.get("item") ?? 0));
  else tell(wanted.has("id") ? `there is no file ${wanted.get("id")}` : "there are no files");
} catch (error) {
  tell(error.message);
}
