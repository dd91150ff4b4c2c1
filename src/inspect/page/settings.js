import { cardHead, create } from "./elements.js";

/** @typedef {import("../view.js").RunView} RunView */

/** @param {RunView} run */
export function createSettingsCard({ experiment, machine, fingerprint, seed, version, network }) {
  const card = create("section", undefined, "card wide");
  card.id = "settings";
  card.append(cardHead("Settings", `seed ${seed}, fingerprint ${fingerprint.slice(0, 12)}`));
  const list = create("dl", undefined, "settings");
  for (const [name, value] of [
    ...Object.entries(experiment),
    ...(network ? [["network", network]] : []),
    ["murmuration", version],
    ...Object.entries(machine),
  ]) {
    // Fields like $schema are for editors.
    if (String(name).startsWith("$")) continue;
    const row = create("div");
    row.append(create("dt", String(name)), create("dd", settingText(value)));
    list.append(row);
  }
  card.append(list);
  return card;
}

/**
 * What travels.
 *
 * @param {Pick<RunView, "payloads" | "experiment">} run
 */
export function payloadsText({ payloads, experiment }) {
  if (payloads === "nothing") return "nothing sent";
  return payloads === "exact" ? "full models" : settingText(experiment.compressor);
}

/** `minmax, bits 4` for { kind: "minmax", bits: 4 }. @param {unknown} value @returns {string} */
function settingText(value) {
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.map(settingText).join(", ");
  return Object.entries(value)
    .map(([name, inner]) => (name === "kind" ? String(inner) : `${name} ${settingText(inner)}`))
    .join(", ");
}
