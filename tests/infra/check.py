"""infra/ against the schemas of those who publish them, as far as packages carry them.

Bicep: each property of each resource against the models of the vendor's SDK, which are generated from the same
specifications as Bicep's own types; values that are literals against the enumerations there. What no package carries is
listed at the end. Kubernetes: its own JSON schemas, strictly; KEDA's are checked by keda.js. Compose: a reader of the
Compose specification.
"""

import importlib
import json
import pathlib
import re
import sys

import compose_spec
import kubernetes_validate
import yaml
from pycep import BicepParser

TOP = pathlib.Path(__file__).resolve().parents[2]
INFRA = TOP / "infra"

# What the vendor's packages call the body of a resource. The module of a package is asked for its API version, too.
MODELS = {
    "Microsoft.App/containerApps": ("appcontainers", "ContainerApp"),
    "Microsoft.App/managedEnvironments": ("appcontainers", "ManagedEnvironment"),
    "Microsoft.Authorization/roleAssignments": ("authorization.v2022_04_01", "RoleAssignmentCreateParameters"),
    "Microsoft.Insights/actionGroups": ("monitor", "ActionGroupResource"),
    "Microsoft.Insights/scheduledQueryRules": ("monitor", "ScheduledQueryRuleResource"),
    "Microsoft.KeyVault/vaults": ("keyvault", "Vault"),
    "Microsoft.KeyVault/vaults/secrets": ("keyvault", "Secret"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("msi.v2024_11_30", "Identity"),
    "Microsoft.Network/virtualNetworks": ("network", "VirtualNetwork"),
    "Microsoft.OperationalInsights/workspaces": ("loganalytics", "Workspace"),
    "Microsoft.Storage/storageAccounts": ("storage", "StorageAccount"),
    "Microsoft.Storage/storageAccounts/queueServices": ("storage", "QueueServiceProperties"),
    "Microsoft.Storage/storageAccounts/queueServices/queues": ("storage", "StorageQueue"),
    "Microsoft.Storage/storageAccounts/tableServices": ("storage", "TableServiceProperties"),
    "Microsoft.Storage/storageAccounts/tableServices/tables": ("storage", "Table"),
}
# Bicep's own, beside the resource's.
OF_BICEP = {"name", "parent", "scope", "dependsOn"}

faults = []
unchecked = set()


def fault(where, text):
    faults.append(f"{where}: {text}")


def fields(model):
    """Each property as it is on the wire, with the type as text."""
    try:
        model()
    except TypeError:
        pass
    rest = getattr(model, "_attr_to_rest_field", None)
    if rest is None:
        return {entry["key"]: entry["type"] for entry in model._attribute_map.values()}
    types = {}
    for part in reversed(model.__mro__):
        types.update(getattr(part, "__annotations__", {}))
    return {field._rest_name: str(types.get(name)) for name, field in rest.items()}


def flat(known):
    """Older models flatten `properties.x` into one name."""
    nested = {}
    for name, kind in known.items():
        head, _, rest = name.partition(".")
        if rest:
            nested.setdefault(head, {})[rest] = kind
        else:
            nested[name] = kind
    return nested


def named(models, kind):
    """The model or enumeration that a type names."""
    for name in re.findall(r"_models\.(\w+)", kind) or re.findall(r"\w+", kind):
        found = getattr(models, name, None)
        if found is not None:
            return found
    return None


def walk(where, value, kind, models, variables):
    if isinstance(value, str) and value in variables:
        value = variables[value]
    if isinstance(value, list):
        for item in value:
            walk(where, item, kind, models, variables)
    elif isinstance(value, dict):
        walk_object(where, value, kind, models, variables)
    elif isinstance(value, str) and isinstance(kind, str):
        enumeration = named(models, kind)
        words = {str(word.value) for word in enumeration} if hasattr(enumeration, "__members__") else set()
        spaced = value.replace(" ", "")
        if words and "$" not in value and spaced not in {word.replace(" ", "") for word in words}:
            fault(where, f"{value!r} is none of {sorted(words)}")


def walk_object(where, value, kind, models, variables):
    if isinstance(value.get("operator"), dict):
        for operand in value["operator"]["operands"].values():
            if isinstance(operand, (dict, list)):
                walk(where, operand, kind, models, variables)
        return
    if isinstance(value.get("function"), dict):
        for parameter in value["function"].get("parameters", {}).values():
            if isinstance(parameter, (dict, list)) or parameter in variables:
                walk(where, parameter, kind, models, variables)
        return
    if "loop_type" in value:
        walk(where, value["config"], kind, models, variables)
        return
    if isinstance(kind, dict):
        known = kind
    else:
        model = named(models, kind)
        if model is None or hasattr(model, "__members__"):
            if "dict[" not in kind:
                fault(where, f"is an object, not {kind}")
            return
        if "dict[" in kind:
            return
        known = flat(fields(model))
    for name, inner in value.items():
        if name not in known:
            fault(f"{where}.{name}", f"is none of {sorted(known)}")
        else:
            walk(f"{where}.{name}", inner, known[name], models, variables)


def parameters(tree):
    return {name for name in tree.get("parameters", {})}


def bicep():
    trees = {}
    for file in sorted(INFRA.rglob("*.bicep")):
        trees[file] = BicepParser().parse(text=file.read_text())
    for file, tree in trees.items():
        variables = {name: entry["value"] for name, entry in tree.get("variables", {}).items()}
        for name, resource in tree.get("resources", {}).items():
            resource_of(f"{file.name}: {name}", resource, variables, parameters(tree))
        for name, module in tree.get("modules", {}).items():
            module_of(f"{file.name}: {name}", file, module, trees)
    parameter_file(trees[INFRA / "main.bicep"])
    names(trees[INFRA / "main.bicep"])
    alerts(trees[INFRA / "modules/alerts.bicep"])


def resource_of(where, resource, variables, given):
    kind = resource["type"]
    if resource["existing"]:
        return
    if kind not in MODELS:
        unchecked.add(f"{kind}@{resource['api_version']}")
        return
    package, name = MODELS[kind]
    models = importlib.import_module(f"azure.mgmt.{package}.models")
    version_of(where, package, resource["api_version"])
    # A parameter may be anything; Bicep compares its type.
    config = resource["config"]
    config = config["config"] if "condition" in config else config
    config = {key: value for key, value in config.items() if key not in OF_BICEP}
    config = without(config, given)
    known = flat(fields(getattr(models, name)))
    walk_object(where, config, known, models, variables)


def without(value, given):
    """The same with a mark in the place of each parameter."""
    if isinstance(value, dict):
        return {key: without(inner, given) for key, inner in value.items()}
    if isinstance(value, list):
        return [without(inner, given) for inner in value]
    return "${}" if isinstance(value, str) and value in given else value


def version_of(where, package, version):
    text = ""
    folder = pathlib.Path(importlib.import_module(f"azure.mgmt.{package}").__file__).parent
    for file in folder.rglob("*.py"):
        if "aio" not in file.parts and "models" not in file.parts:
            text += file.read_text()
    if f'"{version}"' not in text:
        fault(where, f"the vendor's package {package} does not know the version {version}")


def module_of(where, file, module, trees):
    path = (file.parent / module["detail"]["path"] if "detail" in module else file.parent / module["path"]).resolve()
    if path not in trees:
        fault(where, f"{path} is not there")
        return
    given = set(module["config"].get("params", {}))
    wanted = trees[path].get("parameters", {})
    for name in given - set(wanted):
        fault(where, f"{path.name} has no parameter {name}")
    for name, entry in wanted.items():
        if entry.get("default") is None and name not in given:
            fault(where, f"{path.name} wants {name}")


def parameter_file(main):
    """`.bicepparam` is not read by the parser: `using`, and lines `param name = …`."""
    text = (INFRA / "main.bicepparam").read_text()
    given = set(re.findall(r"^param (\w+) =", text, re.M))
    wanted = main["parameters"]
    for name in given - set(wanted):
        fault("main.bicepparam", f"main.bicep has no parameter {name}")
    for name, entry in wanted.items():
        if entry.get("default") is None and name not in given:
            fault("main.bicepparam", f"main.bicep wants {name}")
    for name, entry in wanted.items():
        if not any(decorator["type"] == "description" for decorator in entry["decorators"]):
            fault("main.bicep", f"the parameter {name} is not described")


# What the vendor takes; `uniqueString` makes 13 characters.
LONGEST = {"ingestName": 24, "storeName": 24, "name": 24}


def names(main):
    """With the longest `name` those of accounts and of the vault are not too long."""
    longest = next(entry["argument"] for entry in main["parameters"]["name"]["decorators"] if entry["type"] == "max_length")
    for module in ("storage", "vault"):
        for key, text in main["modules"][module]["config"]["params"].items():
            if key in LONGEST:
                made = re.sub(r"\$\{take\(name, (\d+)\)\}", lambda taken: "x" * min(longest, int(taken[1])), text)
                made = made.replace("${name}", "x" * longest).replace("${unique}", "u" * 13)
                if len(made) > LONGEST[key]:
                    fault("main.bicep", f"{module}: {key} may have {len(made)} characters, {LONGEST[key]} are taken")


def alerts(tree):
    """The table that they ask is not there before the first line is logged."""
    for name, rule in tree["resources"].items():
        config = rule["config"].get("config", rule["config"])
        if rule["type"] == "Microsoft.Insights/scheduledQueryRules" and config["properties"].get("skipQueryValidation") is not True:
            fault("alerts.bicep", f"{name} cannot be deployed the first time without skipQueryValidation")


def outputs():
    """Each `module.outputs.name` is there."""
    text = (INFRA / "main.bicep").read_text()
    paths = dict(re.findall(r"^module (\w+) '([^']+)'", text, re.M))
    for module, output in re.findall(r"(\w+)\.outputs\.(\w+)", text):
        there = re.findall(r"^output (\w+) ", (INFRA / paths[module]).read_text(), re.M)
        if output not in there:
            fault("main.bicep", f"{module} has no output {output}")


def kubernetes():
    custom = []
    for file in sorted((INFRA / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if document["apiVersion"].startswith(("keda.sh", "kustomize.config.k8s.io")):
                custom.append(document)
                continue
            try:
                kubernetes_validate.validate(document, "1.37", strict=True)
            except kubernetes_validate.ValidationError as error:
                fault(file.name, f"{document['kind']}: {error.path}: {error.message}")
    resources = next(document for document in custom if document["kind"] == "Kustomization")["resources"]
    there = {file.name for file in (INFRA / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    if set(resources) != there:
        fault("kustomization.yaml", f"names {sorted(resources)}, there are {sorted(there)}")
    return [document for document in custom if document["apiVersion"].startswith("keda.sh")]


def compose():
    text = (INFRA / "compose.yaml").read_text()
    try:
        parsed = compose_spec.PyOptions(apply_merge=True).from_yaml(text)
        parsed.validate()
    except ValueError as error:
        fault("compose.yaml", error)
        return
    document = yaml.safe_load(text)
    for name, service in document["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".") and not (INFRA / source).exists():
                fault("compose.yaml", f"{name}: {source} is not there")


if __name__ == "__main__":
    bicep()
    outputs()
    compose()
    pathlib.Path(sys.argv[1]).write_text(json.dumps(kubernetes()))
    print("no schema for:", ", ".join(sorted(unchecked)), file=sys.stderr)
    if faults:
        sys.exit("\n".join(faults))
