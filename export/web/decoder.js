// The page's side of worker.js.

import { MscnError } from "./errors.js";

const PATIENCE = 400; // milliseconds

/** Calls functions of a worker, which is made anew when it is stopped. */
export class Decoder {
  constructor() {
    this._waiting = new Map();
    this._next = 0;
    this._bundles = []; // that the user gave
    this.onprogress = () => {}; // is told which share of something is done, and of what
    this._start();
  }

  _start() {
    this._worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this._worker.onmessage = ({ data: { id, result, error, progress, what } }) => {
      if (id === undefined) return this.onprogress(progress, what);
      const { resolve, reject } = this._waiting.get(id);
      this._waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new MscnError(error));
      return undefined;
    };
    this._worker.onerror = (event) => {
      event.preventDefault();
      this._stop(new MscnError(`the decoder stopped (${event.message ?? "it did not load"})`));
      this._start();
    };
    for (const [bytes, name] of this._bundles) this._post("addBundle", [bytes, name]);
  }

  _stop(error) {
    this._worker.terminate();
    for (const { reject } of this._waiting.values()) reject(error);
    this._waiting.clear();
  }

  _post(call, args) {
    const id = this._next++;
    this._worker.postMessage({ id, call, args });
    const answer = new Promise((resolve, reject) => this._waiting.set(id, { resolve, reject }));
    this._waiting.get(id).done = answer.catch(() => {});
    return answer;
  }

  /** Keeps a bundle that the user gave. */
  async addBundle(bytes, name) {
    const found = await this._post("addBundle", [bytes, name]);
    this._bundles.push([bytes, name]);
    return found;
  }

  /** Opens a file; what is under way is given up, unless it is about to end. */
  async open(bytes, name) {
    await this.free();
    return this._post("open", [bytes, name]);
  }

  /** Gives up what is under way, unless it is about to end. */
  async free() {
    const working = [...this._waiting.values()].map(({ done }) => done);
    await Promise.race([Promise.all(working), new Promise((wake) => setTimeout(wake, PATIENCE))]);
    if (this._waiting.size) {
      this._stop(new Superseded());
      this._start();
    }
  }

  call(name, ...args) {
    return this._post(name, args);
  }
}

/** What a call fails with that another file made pointless. */
export class Superseded extends Error {}
