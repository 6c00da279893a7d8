// What all parts of the page use: its elements, what it says, and numbers in words.

import { Superseded } from "./decoder.js";
import { MscnError } from "./errors.js";

const whole = new Intl.NumberFormat("en");

/** The element of an id. */
export const element = (id) => document.getElementById(id);

/** Says what is going on, for screen readers too. */
export function say(text) {
  element("status").textContent = text;
}

/** Shows what went wrong, in one line; what another file made pointless is nothing wrong. */
export function report(error) {
  if (error instanceof Superseded) return;
  element("error").textContent = error.message;
  element("error").hidden = false;
  say("");
  if (!(error instanceof MscnError)) throw error;
}

/** Runs what may fail. */
export async function attempt(action) {
  try {
    element("error").hidden = true;
    await action();
  } catch (error) {
    report(error);
  } finally {
    showProgress(null);
  }
}

/** A bar of how much of something is there, 0 to 1, or none. */
export function showProgress(share, what = "") {
  element("progress").hidden = share === null;
  if (share === null) return;
  element("progress-bar").value = share;
  element("progress-text").textContent = what;
}

/** A whole number with its thousands apart. */
export const count = (number) => whole.format(number);

/** A number of bytes as people say it. */
export function bytesText(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toPrecision(3)} kB` : `${(bytes / 1e6).toPrecision(3)} MB`;
}

/** Fills a list of names and what they are. */
export function listFacts(list, facts) {
  list.replaceChildren(...Object.entries(facts).map(([name, value]) => {
    const entry = document.createElement("div");
    const [term, text] = ["dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = name;
    text.textContent = value;
    entry.append(term, text);
    return entry;
  }));
}
