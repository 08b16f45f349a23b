// Runs pytest in the CPython of Pyodide. Arguments: the npm package, the packages, the repository, pytest's arguments.
const [, , npmPackage, site, repository, ...pytestArguments] = process.argv;
const { loadPyodide } = await import(`${npmPackage}/pyodide.mjs`);
const python = await loadPyodide();
python.mountNodeFS("/site", site);
python.mountNodeFS("/repository", repository);
globalThis.pytestArguments = pytestArguments;
const exitCode = python.runPython(`
import os, sys, js
sys.path[:0] = ["/repository", "/repository/.ci", "/site"]
sys.dont_write_bytecode = True
os.chdir("/repository")
import pytest
int(pytest.main(["-p", "pyodide_plugin", *js.pytestArguments.to_py()]))
`);
process.exit(exitCode);
