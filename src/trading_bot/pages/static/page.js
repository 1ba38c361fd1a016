"use strict";
(() => {
  const NARROW_PX = 640;
  const PRINT_PX = { full: 660, half: 312 };  // the width of a card's inside on A4, as print CSS lays it out
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("charts").textContent || "{}");

  // Colours are names of the style sheet, so that light, dark and print have one home.
  const colour = (name) => {
    const found = /^@([a-z-]+)(?:\/([\d.]+))?$/.exec(name);
    if (!found) return name;
    const hex = getComputedStyle(root).getPropertyValue("--" + found[1]).trim();
    if (!found[2]) return hex;
    const part = (at) => parseInt(hex.slice(at, at + 2), 16);
    return `rgba(${part(1)},${part(3)},${part(5)},${found[2]})`;
  };
  const painted = (value, isColour) => {
    if (typeof value === "string") return isColour ? colour(value) : value;
    if (Array.isArray(value)) return value.map((item) => painted(item, isColour));
    if (value === null || typeof value !== "object") return value;
    const copy = {};
    for (const [key, item] of Object.entries(value)) copy[key] = painted(item, isColour || /color$/i.test(key));
    return copy;
  };
  const merged = (base, over) => {
    const copy = { ...base };
    for (const [key, item] of Object.entries(over)) {
      const deep = item !== null && typeof item === "object" && !Array.isArray(item) && copy[key];
      copy[key] = deep ? merged(copy[key], item) : item;
    }
    return copy;
  };

  const draw = (id, widthPx) => {
    const element = document.getElementById(id), figure = figures[id];
    const width = widthPx || element.clientWidth;
    const narrow = width < NARROW_PX;
    const layout = merged(figure.layout, narrow ? figure.narrow : {});
    const data = narrow ? figure.data.map((trace) => merged(trace, figure.narrow_trace)) : figure.data;
    layout.width = width;
    layout.height = layout.height || figure.height;
    const options = { displayModeBar: false, responsive: false, scrollZoom: false, doubleClick: "reset" };
    element.style.minHeight = "";
    return Plotly.react(element, painted(data, false), painted(layout, false), options);
  };
  const drawAll = () => { for (const id of Object.keys(figures)) draw(id); };

  for (const id of Object.keys(figures)) {
    draw(id).then((element) => element.on("plotly_click", (event) => {
      const anchor = event.points[0].customdata;
      if (typeof anchor === "string" && document.getElementById(anchor)) location.hash = anchor;
    }));
  }
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => { if (!root.dataset.print) drawAll(); });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("beforeprint", () => {
    root.dataset.print = "1";  // paper is light
    for (const id of Object.keys(figures)) {
      draw(id, document.getElementById(id).closest(".half") ? PRINT_PX.half : PRINT_PX.full);
    }
  });
  addEventListener("afterprint", () => { delete root.dataset.print; drawAll(); });

  document.addEventListener("click", (event) => {
    const fold = event.target.closest(".fold");
    if (fold && !event.target.closest("a")) {
      const open = fold.closest("tr").nextElementSibling.classList.toggle("open");
      fold.setAttribute("aria-expanded", String(open));
    }
    const copy = event.target.closest(".copy");
    if (copy) {
      navigator.clipboard.writeText(copy.previousElementSibling.textContent).then(() => { copy.textContent = "copied"; });
    }
  });
  const unfold = () => {
    const row = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const fold = row && row.classList.contains("folds") && row.querySelector(".fold");
    if (fold && fold.getAttribute("aria-expanded") === "false") fold.click();
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
