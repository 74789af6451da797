"""What a module offers: all that it does not keep to itself."""

import ast


def test_a_module_that_lists_its_names_lists_every_one_without_an_underscore(source) -> None:
    for module in source.modules:
        body = source.tree(module).body
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        public = {node.name for node in body if isinstance(node, kinds) and not node.name.startswith("_")}
        for node in body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                assert public <= set(ast.literal_eval(node.value)), module
