"""Prints the data of a genai-prices wheel (its data.py) as JSON for `cargo xtask prices`.

Reads it as a syntax tree, runs none of it, and refuses whatever is no literal.
"""
import ast, datetime, json, sys

def value(node):
    if isinstance(node, ast.Constant):
        if node.value is None or isinstance(node.value, (str, bool, int)):
            return node.value
    elif isinstance(node, ast.List):
        return [value(item) for item in node.elts]
    elif isinstance(node, ast.Dict):
        return {value(key): value(item) for key, item in zip(node.keys, node.values)}
    elif isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        given = [value(argument) for argument in node.args]
        if name == 'Decimal' and len(given) == 1 and isinstance(given[0], str):
            return given[0]
        if name == 'date' and len(given) == 3:
            return '%04d-%02d-%02d' % tuple(given)
        if name == 'time' and [ast.dump(k.value) for k in node.keywords if k.arg == 'tzinfo'] == [UTC]:
            return '%02d:%02d:%02d+00:00' % tuple((given + [0, 0])[:3])
        if not given and all(keyword.arg for keyword in node.keywords):
            pairs = ((k.arg.rstrip('_'), value(k.value)) for k in node.keywords)
            return {key: item for key, item in pairs if item is not None}
    raise SystemExit('line %d of the data is of a kind that is not known: %s' % (node.lineno, ast.dump(node)[:80]))

UTC = ast.dump(ast.parse('datetime.UTC', mode='eval').body)
with open(sys.argv[1], encoding='utf-8') as source:
    tree = ast.parse(source.read())
for statement in tree.body:
    if isinstance(statement, ast.AnnAssign) and statement.target.id == 'providers':
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        print(json.dumps({'today': today, 'providers': value(statement.value)}, sort_keys=True))
        break
else:
    raise SystemExit('the data assigns no providers')
