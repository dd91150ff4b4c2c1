import { colour } from "./colours.js";
import { create } from "./elements.js";

/** Height of the title above a saved picture, and room around it, in CSS pixels. */
const TITLE_HEIGHT = 44;
const PICTURE_MARGIN = 12;

/**
 * Offers a file to keep.
 *
 * @param {string} name
 * @param {string} url
 */
function offer(name, url) {
  const link = /** @type {HTMLAnchorElement} */ (create("a"));
  link.href = url;
  link.download = name;
  link.click();
}

/**
 * The chart as it is drawn, with its title and legend.
 *
 * @param {string} name
 * @param {any} plot
 * @param {string} title
 * @param {string} legend
 */
export function savePng(name, plot, title, legend) {
  const drawn = /** @type {HTMLCanvasElement} */ (plot.ctx.canvas);
  const ratio = drawn.width / plot.width;
  const picture = document.createElement("canvas");
  picture.width = drawn.width + 2 * PICTURE_MARGIN * ratio;
  picture.height = drawn.height + (TITLE_HEIGHT + 2 * PICTURE_MARGIN) * ratio;
  const context = picture.getContext("2d");
  if (!context) return;
  context.fillStyle = colour("card");
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(drawn, PICTURE_MARGIN * ratio, (PICTURE_MARGIN + TITLE_HEIGHT) * ratio);
  context.scale(ratio, ratio);
  context.textBaseline = "top";
  context.fillStyle = colour("text");
  context.font = `600 14px ${colour("font")}`;
  context.fillText(title, PICTURE_MARGIN, PICTURE_MARGIN);
  context.fillStyle = colour("muted");
  context.font = `11px ${colour("font")}`;
  context.fillText(legend, PICTURE_MARGIN, PICTURE_MARGIN + 22, plot.width);
  offer(`${name}.png`, picture.toDataURL("image/png"));
}

/**
 * The numbers of a chart: what it goes by, then a column for each line.
 *
 * @param {string} name
 * @param {import("./chart-options.js").Drawn} drawn
 */
export function saveCsv(name, { axis, x, lines }) {
  const quoted = (/** @type {string} */ text) => `"${text.replaceAll('"', '""')}"`;
  const rows = [
    [axis, ...lines.map(({ label }) => quoted(label))],
    ...x.map((value, k) => [value, ...lines.map(({ values }) => values[k] ?? "")]),
  ];
  const text = `${rows.map((row) => row.join(",")).join("\n")}\n`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  offer(`${name}.csv`, url);
  setTimeout(() => URL.revokeObjectURL(url));
}
