import { createTableCard } from "./table.js";

/**
 * The settings in which runs differ. There is a column for each run or for each setting, whatever takes fewer.
 *
 * @param {readonly string[]} names of the runs
 * @param {readonly import("../groups.js").DifferingSetting[]} settings
 */
export function createDifferencesCard(names, settings) {
  const byRun = names.length > settings.length;
  const columns = byRun ? settings.map(({ name }) => name) : names;
  const rows = byRun
    ? names.map((head, k) => ({ head, cells: settings.map(({ values }) => values[k] ?? "") }))
    : settings.map(({ name, values }) => ({ head: name, cells: values }));
  return createTableCard(
    "differences",
    "Settings that differ",
    "all other settings are the same in every run",
    {
      columns: [
        { title: byRun ? "run" : "setting" },
        ...columns.map((title) => ({ title, className: "words" })),
      ],
      rows: rows.map((row) => ({ ...row, data: { head: row.head } })),
    },
  );
}
