// Icons as drawings: glyphs of this kind differ from font to font, or are missing.

const SHAPES = {
  pause: "M5.5 3.5v9M10.5 3.5v9",
  resume: "M5 3.2v9.6l7.5-4.8z",
  stop: "M4 4l8 8M12 4l-8 8",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13 2.2v3h-3",
  reset: "M2.5 7.5L8 3l5.5 4.5M4.2 6.4V13h7.6V6.4",
  full: "M6 2.5H2.5V6M10 2.5h3.5V6M6 13.5H2.5V10M10 13.5h3.5V10",
  more: "M3.2 8h.01M8 8h.01M12.8 8h.01",
  link: "M7 5H4.6a3 3 0 0 0 0 6H7M9 5h2.4a3 3 0 0 1 0 6H9M5.6 8h4.8",
  unlink: "M6 5H4.6a3 3 0 0 0 0 6H6M10 5h1.4a3 3 0 0 1 0 6H10",
} as const;

export type Icon = keyof typeof SHAPES;

const SVG = "http://www.w3.org/2000/svg";

/** A drawing in the colour of the text; its button carries the words. */
export function icon(name: Icon): SVGElement {
  const drawing = document.createElementNS(SVG, "svg");
  const attributes = {
    viewBox: "0 0 16 16",
    width: "14",
    height: "14",
    "aria-hidden": "true",
    class: "lw-svg",
  };
  for (const [key, value] of Object.entries(attributes)) drawing.setAttribute(key, value);
  drawing.setAttribute("data-icon", name);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  drawing.append(path);
  return drawing;
}
