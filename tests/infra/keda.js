// The documents of the file against KEDA's schemas.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const [folder, file] = process.argv.slice(2);
const keda = createRequire(`${folder}/`)("@kubernetes-models/keda/keda.sh/v1alpha1");
const documents = JSON.parse(readFileSync(file, "utf8"));
if (documents.length === 0) throw new Error("no document of KEDA's");
for (const document of documents) new keda[document.kind](document).validate();
