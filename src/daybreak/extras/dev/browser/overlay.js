"use strict";
// Shows what is wrong with the last save over the application's page, and loads the page anew when new code answers.
// Whatever is shown becomes text nodes; nothing is read as HTML.
(() => {
  const script = document.currentScript;
  const mine = script.dataset.version;
  const EVENTS = "/.daybreak/dev/events";
  const LOADED_FOR = "daybreak-dev-loaded-for";
  const STYLE = `
    :host { all: initial; }
    section { position: fixed; inset: 0; z-index: 2147483647; overflow: auto; padding: 6vh 5vw; box-sizing: border-box;
      background: rgb(20 16 20 / 94%); color: #f4eff2; font: 15px/1.55 ui-monospace, Menlo, Consolas, monospace; }
    h1 { font-size: 18px; margin: 0 0 1em; color: #ff8f8f; white-space: pre-wrap; overflow-wrap: anywhere; }
    pre { margin: 0 0 1.5em; font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4; }
    p { margin: 0; color: #b9aeb4; font-family: system-ui, sans-serif; font-size: 13px; }
    aside { position: fixed; right: 16px; bottom: 16px; z-index: 2147483647; padding: 8px 14px; border-radius: 6px;
      background: #26212a; color: #f4eff2; font: 13px system-ui, sans-serif; }
  `;
  let place = null;
  let shown = "";

  function element(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  }

  function show(key, ...parts) {
    if (key === shown) return;
    place?.remove();
    place = null;
    shown = key;
    if (!parts.length) return;
    place = document.createElement("daybreak-overlay");
    const root = place.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet(); // what a page's own policy allows, too
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    root.append(...parts);
    document.documentElement.append(place);
  }

  function showWrong(wrong) {
    const section = document.createElement("section");
    section.setAttribute("role", "alert");
    section.append(
      element("h1", wrong.title),
      element("pre", wrong.lines.join("\n")),
      element("p", "The next good save loads this page anew. Escape hides this; daybreak dev --no-overlay leaves it out."),
    );
    show(JSON.stringify(wrong), section);
  }

  function loadAnew(version) {
    // A page from a cache would be as old as this one, again and again.
    if (sessionStorage.getItem(LOADED_FOR) === version) return;
    if (!("again" in script.dataset)) {
      const note = element("aside", "New code answers. This page is not loaded anew: it would send its form again.");
      show(version, note);
      return;
    }
    sessionStorage.setItem(LOADED_FOR, version);
    location.reload();
  }

  function told({ version, wrong }) {
    if (wrong) showWrong(wrong);
    else if (version !== mine) loadAnew(version);
    else show("");
  }

  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && place) place.style.display = "none";
  });

  // Browsers have few connections for one address: a page that nobody sees leaves them to others.
  let source = null;
  function follow() {
    source?.close();
    source = null;
    if (document.hidden) return;
    source = new EventSource(EVENTS);
    source.onmessage = (event) => told(JSON.parse(event.data));
  }
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && follow());
  follow();
})();
