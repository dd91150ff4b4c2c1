import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";
const m = await load();
const [g='pair', patient='0', rounds='2', closing='0', crashes='1', losses='1', steps='1', weakness] = process.argv.slice(2);
const graphs = { pair: [[1],[0]], chain: [[1],[0,2],[1]], triangle: [[1,2],[0,2],[0,1]] };
const neighbours = graphs[g].map(l => l.map(peer => ({ peer, weight: 1/3 })));
const t=performance.now();
const r = await m.checkLedger({ neighbours, rounds:+rounds, closingRounds:+closing, steps:+steps, isPatient: patient==='1', weakness }, { crashes:+crashes, losses:+losses, depth: process.env.DEPTH ? +process.env.DEPTH : undefined });
console.log(JSON.stringify(r,null,1), ((performance.now()-t)/1000).toFixed(1));
async function load() {
  const root = new URL("../", import.meta.url);
  const { outputFiles } = await build({
    entryPoints: [new URL("test/support/ledger-check.ts", root).pathname],
    ...{ bundle: true, platform: "node", format: "esm", packages: "external", write: false },
  });
  const folder = new URL("node_modules/.cache/", root);
  mkdirSync(folder, { recursive: true });
  const bundle = new URL(`ledger-${process.pid}.mjs`, folder);
  writeFileSync(bundle, outputFiles[0].text);
  try { return await import(bundle.href); } finally { rmSync(bundle); }
}
