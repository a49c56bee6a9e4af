"""The JSON Schemas of recipes and their other files for editors, from the typed models and the registries.

That of recipes is loose where a recipe may hold `${name}`: that is replaced before types are checked, and for operators
that lie beside the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from engine.backends import BACKENDS
from engine.metrics import METRICS
from engine.operators import find_operators
from engine.operators.definition import Definition
from engine.plan.packs import WRITERS
from engine.spec.extending.schema import for_extending
from engine.spec.method import Method, find_methods, read_method
from engine.spec.pack import Pack, find_packs, read_pack
from engine.spec.recipe import Recipe, Task, TaxonomyFile
from engine.spec.reference.described import descriptions
from engine.spec.reference.texts import with_texts
from engine.spec.repository import ProjectFile
from engine.stages.analyse.clusterers import CLUSTERERS
from engine.tasks import TASKS

SCHEMA_FILE = "recipe.schema.json"
OPERATOR_SCHEMA_FILE = "operator.schema.json"
METHOD_SCHEMA_FILE = "method.schema.json"
TAXONOMY_SCHEMA_FILE = "taxonomy.schema.json"
PROJECT_SCHEMA_FILE = "project.schema.json"
PACK_SCHEMA_FILE = "pack.schema.json"
_SPECS = {"student": "StudentSpec", **dict.fromkeys(WRITERS, "WriterSpec")}
"""Role -> what a recipe may say of its model besides the backend's settings."""
_ID = "https://json-schema.org/draft/2020-12/schema"


class _Plain(GenerateJsonSchema):
    """Without the titles that pydantic makes of names; with what stands below fields, and defaults made anew."""

    def get_default_value(self, schema: Any) -> Any:
        if "default_factory" in schema and not schema.get("default_factory_takes_data"):
            return schema["default_factory"]()
        return super().get_default_value(schema)

    def model_schema(self, schema: Any) -> dict[str, Any]:
        found = super().model_schema(schema)
        model = schema["cls"]
        properties = found.get("properties", {})
        for name, text in descriptions(model).items():
            if name in model.model_fields:
                property_ = properties.get(model.model_fields[name].alias or name)
                if property_ is not None:
                    property_.setdefault("description", text)
        return found

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe: one branch per operator and backend, names as enums."""
    schema = Recipe.model_json_schema(schema_generator=_Plain)
    parts: dict[str, Any] = schema["$defs"]
    parts["Task"] = _tasks(parts)
    _name_metrics(schema["properties"]["metrics"])
    parts["MetricSpec"] = _metrics(parts)
    parts["OperatorSpec"] = _operators(parts)
    parts["Cluster"] = _clusterers(parts)
    parts["Taxonomy"] = _path_or(parts["Taxonomy"], "file")
    for role in parts["Models"]["properties"]:
        reference = f"{role.capitalize()}Model"
        parts["Models"]["properties"][role] = {"$ref": f"#/$defs/{reference}"}
        parts[reference] = _model(role, parts)
    for spec in {"ModelSpec", *_SPECS.values()}:
        del parts[spec]
    methods = {name: read_method(file).description for name, file in find_methods().items()}
    packs = {name: read_pack(file).description for name, file in find_packs().items()}
    _suggest(parts["Loop"]["properties"]["method"], methods)
    for model in (parts[f"{role.capitalize()}Model"] for role in WRITERS):
        for branch in model["anyOf"]:
            _suggest(branch["properties"]["pack"], packs)
    names = {"loop.method": methods, "models.pack": packs}
    names["metrics"] = {name: metric.description for name, metric in METRICS.items()}
    return for_extending(_whole("recipe", schema, names))


def operator_schema() -> dict[str, Any]:
    """Return the JSON Schema of an `operator.yaml`, the names of task kinds as enums."""
    schema = Definition.model_json_schema(schema_generator=_Plain)
    for branch in schema["properties"]["tasks"]["anyOf"]:
        if branch.get("type") == "array":
            branch["items"] = {"enum": sorted(TASKS)}
    return _whole(
        "operator", schema, {"operator:tasks": {name: _about(TASKS[name]) for name in TASKS}}
    )


def method_schema() -> dict[str, Any]:
    """Return the JSON Schema of a method file."""
    schema = Method.model_json_schema(schema_generator=_Plain)
    return _whole("method", schema)


def taxonomy_schema() -> dict[str, Any]:
    """Return the JSON Schema of a taxonomy file."""
    schema = TaxonomyFile.model_json_schema(schema_generator=_Plain)
    return _whole("taxonomy", schema)


def pack_schema() -> dict[str, Any]:
    """Return the JSON Schema of a `pack.yaml`."""
    return _whole("pack", Pack.model_json_schema(schema_generator=_Plain))


def _whole(
    kind: str, schema: dict[str, Any], names: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Any]:
    whole = {"$schema": _ID, "title": f"PaDA Engine {kind}", **_without_titles(schema)}
    return with_texts(whole, kind, names)


def project_schema() -> dict[str, Any]:
    """Return the JSON Schema of a `pada.yaml`: models as in recipes, one branch per backend."""
    schema = ProjectFile.model_json_schema(schema_generator=_Plain)
    parts: dict[str, Any] = schema["$defs"]
    roles = parts["ProjectModels"]["properties"]
    package = parts["Dependency"]
    # Which of the two it is decides what else may stand there.
    package["oneOf"] = [{"required": ["git", "revision"]}, {"required": ["path"]}]
    for role, said in roles.items():
        reference = f"{role.capitalize()}Model"
        parts[reference] = _model(role, parts)
        roles[role] = {"title": said["title"], "$ref": f"#/$defs/{reference}"}
    for spec in {"ModelSpec", *_SPECS.values()}:
        del parts[spec]
    return _whole("project", schema)


def schema_text(schema: Mapping[str, Any]) -> str:
    """Return a schema as it stands in `schemas/`: equal schemas, equal bytes."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _suggest(part: dict[str, Any], names: Mapping[str, str]) -> None:
    """Have editors offer names that come with the engine, where a name of the recipe's own may stand as well."""
    if any("enum" in option for option in part.get("anyOf", ())):
        return
    free = part.pop("anyOf", None) or [{key: part.pop(key) for key in ("pattern", "type")}]
    part["anyOf"] = [{"enum": sorted(names), "type": "string"}, *free]


def _name_metrics(metrics: dict[str, Any]) -> None:
    """A metric is one of the names, or a mapping."""
    for branch in metrics["items"]["anyOf"]:
        if branch.get("type") == "string":
            branch["enum"] = sorted(METRICS)
    metrics["description"] += " The engine's own: `pada list metrics`."


def _metrics(parts: dict[str, Any]) -> dict[str, Any]:
    """Return one branch per metric that takes parameters, and those of a metric that the recipe makes itself."""
    loose = parts["MetricSpec"]
    branches = []
    for name in sorted(METRICS):
        metric = METRICS[name]
        known: dict[str, Any] = {"name": {"const": name, "description": metric.description}}
        if metric.params.model_fields:
            known["params"] = _part(metric.params, parts)
        branches.append(_closed(known, ["name"]))
    own = loose["properties"]
    for key in ("sql", "judge"):
        # Written down, it is not null.
        (said,) = (part for part in own[key]["anyOf"] if part.get("type") != "null")
        said = {**said, "description": own[key]["description"]}
        branches.append(_closed({"name": own["name"], key: said}, ["name", key]))
    return {"description": loose["description"], "anyOf": branches}


def _closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _tasks(parts: dict[str, Any]) -> dict[str, Any]:
    """Return one branch per task kind, each with that kind's parameters."""
    loose = parts["Task"]
    branches = []
    for name in sorted(TASKS):
        kind = TASKS[name]
        branch = deepcopy(loose)
        about = _about(kind)
        branch["properties"]["kind"] = {"const": name, "description": about}
        branch["properties"]["params"] = _own_first(kind.params, parts)
        default = Task.model_fields["kind"].default
        if name != default:
            needed = ["params"] if branch["properties"]["params"].get("required") else []
            branch["required"] = ["kind", *branch["required"], *needed]
        if not kind.labelled:
            del branch["properties"]["labels"]
        branches.append(branch)
    return {"description": loose["description"], "anyOf": branches}


def _about(kind: object) -> str:
    return (type(kind).__doc__ or "").split("\n")[0]


def _operators(parts: dict[str, Any]) -> dict[str, Any]:
    """Return one branch per operator of the engine, each with its parameters, and one for those beside the recipe."""
    loose = parts["OperatorSpec"]
    branches = []
    operators = find_operators(None)
    for name in sorted(operators):
        operator = operators[name]
        branch = deepcopy(loose)
        branch["description"] = operator.description
        branch["properties"]["name"] = {"const": name, "description": operator.description}
        branch["properties"]["params"] = _part(operator.params, parts)
        branches.append(branch)
    own = deepcopy(loose)
    own["description"] = "An operator in the folder `operators/` beside the recipe."
    own["properties"]["name"] = {
        "type": "string",
        "not": {"enum": sorted(operators)},
        "description": "Name of the operator and of its folder.",
        "examples": ["shorten"],
    }
    return {"description": loose["description"], "anyOf": [*branches, own]}


def _clusterers(parts: dict[str, Any]) -> dict[str, Any]:
    """Return one branch per clusterer, each with that clusterer's settings."""
    loose = parts["Cluster"]
    algorithm = loose["properties"]["algorithm"]
    branches = []
    for name in sorted(CLUSTERERS):
        settings = _own_first(CLUSTERERS[name].settings, parts)
        about = {**algorithm, "const": name, "description": CLUSTERERS[name].description}
        known = {"algorithm": about, **settings.get("properties", {})}
        # What a branch is without a name: the default.
        required = [] if name == algorithm["default"] else ["algorithm"]
        branches.append(_closed(known, [*required, *settings.get("required", [])]))
    return {"description": loose["description"], "anyOf": branches}


def _path_or(loose: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the schema of a mapping that may also be written as the value of one of its keys."""
    described = {"type": "string", "description": loose["properties"][key]["description"]}
    return {"description": loose["description"], "anyOf": [described, loose]}


def _model(role: str, parts: dict[str, Any]) -> dict[str, Any]:
    """Return one branch per backend that can play the role, each with that backend's settings."""
    loose = parts[_SPECS.get(role, "ModelSpec")]
    own = {
        key: part for key, part in loose["properties"].items() if key not in ("backend", "model")
    }
    branches = []
    for name in sorted(BACKENDS):
        backend = BACKENDS[name]
        if role not in backend.roles:
            continue
        settings = _part(backend.settings, parts)
        properties = {
            "backend": {
                "const": name,
                "description": loose["properties"]["backend"]["description"],
            },
            "model": loose["properties"]["model"],
            **{
                key: part for key, part in own.items() if role != "student" or backend.takes_adapter
            },
            **settings.get("properties", {}),
        }
        branches.append(
            {
                "type": "object",
                "description": settings.get("description", ""),
                # What an editor shows of the key: what the model does, and then who computes it.
                "markdownDescription": f"{loose['description']}\n\n{settings.get('description', '')}",
                "properties": properties,
                "required": ["backend", "model", *settings.get("required", [])],
                "additionalProperties": False,
            }
        )
    return {"description": loose["description"], "anyOf": branches}


def _part(model: type[BaseModel], parts: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema; what it refers to joins `parts` under a name of its own."""
    prefix = "".join(word.capitalize() for word in model.__module__.split(".")[1:])
    template = f"#/$defs/{prefix}{{model}}"
    schema = model.model_json_schema(schema_generator=_Plain, ref_template=template)
    for name, definition in schema.pop("$defs", {}).items():
        parts[f"{prefix}{name}"] = definition
    return schema


def _own_first(model: type[BaseModel], parts: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema, its own keys before those that it has in common with others."""
    schema = _part(model, parts)
    own = model.__annotations__
    keys = schema.get("properties", {})
    if keys:
        schema["properties"] = dict(sorted(keys.items(), key=lambda item: item[0] not in own))
    return schema


def _without_titles(value: Any) -> Any:
    """Drop class names as titles, which mean nothing to the author of a recipe."""
    if isinstance(value, list):
        return [_without_titles(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_titles(each)
        for key, each in value.items()
        if not (key == "title" and isinstance(each, str))
    }
