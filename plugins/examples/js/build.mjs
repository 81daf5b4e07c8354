// Builds the component: `npm run build` writes build/component.wasm.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { componentize } from "componentize-qjs";

const here = import.meta.dirname;
const build = join(here, "build");

/** The folder of the plugin contract: one for each WIT package. */
function contract() {
  const told = process.env.VALECHAT_WIT;
  const places = told ? [told] : [join(here, "wit"), join(here, "../../../wit")];
  const found = places.find((place) => existsSync(join(place, "provider")));
  if (found) return found;
  console.error("The plugin contract (the folder wit/) is not here: set VALECHAT_WIT to where it lies.");
  process.exit(1);
}

// The tool wants one package with the others in its folder deps/.
const wit = join(build, "wit");
rmSync(wit, { recursive: true, force: true });
mkdirSync(wit, { recursive: true });
cpSync(join(contract(), "provider"), wit, { recursive: true });
for (const name of ["types", "host"]) {
  cpSync(join(contract(), name), join(wit, "deps", name), { recursive: true });
}

const { component } = await componentize({
  witPath: wit,
  world: "provider-plugin",
  jsSource: readFileSync(join(here, "provider.js"), "utf8"),
  jsPath: join(here, "provider.js"),
  moduleRoot: here,
  // A plugin has no files, no sockets and no environment, and is refused if it asks.
  stubWasi: true,
});
writeFileSync(join(build, "component.wasm"), component);
console.log(`${join(build, "component.wasm")}: ${component.length.toLocaleString("en")} bytes`);
