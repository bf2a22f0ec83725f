"""A small program for each library, and what it says of itself.

`value` is computed and the same in every process, `threads` are numbers that the library tells, `draws` are random and
differ from process to process where they differ between two processes of their own. The names in `learned` are what a
worker that runs the program notes for the template.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """`distribution` as it is installed; `code` sets `value`, `threads` and `draws`."""

    distribution: str
    learned: tuple[str, ...]
    code: str


# What every program says beside its own; pools are what threadpoolctl finds in this thread and in another one.
HEAD = """
import json, os, sys, threading
threads, draws = [], []
"""
TAIL = """
def pools():
    import threadpoolctl
    # By name: of two with one name (torch brings its own libgomp) the one that comes first is used by all.
    return {os.path.basename(each["filepath"]).partition(".so")[0]: each["num_threads"]
            for each in threadpoolctl.threadpool_info()}

found = []
other = threading.Thread(target=lambda: found.append(pools()))
other.start()
other.join()
files = {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if name not in "012"
         and os.path.exists(f"/proc/self/fd/{name}")}
print(json.dumps({
    "value": value, "threads": [threads, pools(), *found], "draws": draws,
    "files": sorted(what.partition(":")[0].partition("-")[0] for what in files.values() if "/proc/" not in what),
    "environment": {name: os.environ[name] for name in os.environ if name not in ("PWD", "_")},
    "path": sys.path,
}))
"""

PROGRAMS = (
    Program(
        "numpy",
        ("numpy",),
        "import numpy as np\n"
        "value = float(np.linalg.norm(np.arange(10000.0).reshape(100, 100) @ np.eye(100)))\n"
        "draws = [np.random.random(), np.random.default_rng().random()]",
    ),
    Program(
        "pandas",
        ("pandas",),
        "import pandas as pd\n"
        "frame = pd.DataFrame({'a': range(10), 'b': list('xyxyxyxyxy')})\n"
        "value = [frame.groupby('b').a.sum().to_dict(), str(frame.b.dtype), pd.options.compute.use_numexpr]\n"
        "draws = [pd.Series(range(9**6)).sample().item()]",
    ),
    Program(
        "pyarrow",
        ("pyarrow", "pyarrow.compute"),
        "import pyarrow as pa, pyarrow.compute as pc\n"
        "value = [pc.sum(pa.array(range(1000))).as_py(), pa.default_memory_pool().backend_name]\n"
        "threads = [pa.cpu_count(), pa.io_thread_count()]",
    ),
    Program(
        "polars",
        ("polars",),
        "import polars as pl\n"
        "value = pl.DataFrame({'a': [1, 2, 3]}).select(pl.col('a').sum()).item()\n"
        "threads = [pl.thread_pool_size()]",
    ),
    Program(
        "scipy",
        ("scipy.linalg", "scipy.stats"),
        "import scipy.linalg, scipy.stats\n"
        "value = [float(scipy.linalg.det([[2.0, 1.0], [1.0, 3.0]])), float(scipy.stats.norm.cdf(1.0))]\n"
        "draws = [float(scipy.stats.norm.rvs())]",
    ),
    Program(
        "scikit-learn",
        ("sklearn", "sklearn.ensemble", "sklearn.datasets"),
        "from sklearn.datasets import make_classification\n"
        "from sklearn.ensemble import HistGradientBoostingClassifier\n"
        "from sklearn.utils._openmp_helpers import _openmp_effective_n_threads\n"
        "x, y = make_classification(300, random_state=0)\n"
        "value = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(x, y).score(x, y)\n"
        "threads = [_openmp_effective_n_threads()]\n"
        "draws = [float(make_classification(10)[0][0][0])]",
    ),
    Program(
        "lightgbm",
        ("lightgbm",),
        "import lightgbm, numpy as np\n"
        "x = np.arange(400.0).reshape(100, 4)\n"
        "made = lightgbm.train({'verbose': -1, 'seed': 1}, lightgbm.Dataset(x, x[:, 0]), 3)\n"
        "value = float(made.predict(x)[7])",
    ),
    Program(
        "numexpr",
        ("numexpr",),
        "import numexpr, numpy as np\n"
        "a = np.arange(1000.0)\n"
        "value = float(numexpr.evaluate('sum(a * 2)'))\n"
        "threads = [numexpr.nthreads, numexpr.ncores]",
    ),
    Program(
        "numba",
        ("numba",),
        "import numba, numpy as np\n"
        "@numba.njit\n"
        "def total(a):\n"
        "    found = 0.0\n"
        "    for each in a: found += each\n"
        "    return found\n"
        "@numba.njit\n"
        "def draw(): return np.random.random()\n"
        "value = total(np.arange(100.0))\n"
        "threads = [numba.get_num_threads(), numba.config.NUMBA_NUM_THREADS]\n"
        "draws = [draw()]",
    ),
    Program(
        "onnxruntime",
        ("onnxruntime",),
        "import onnxruntime\nvalue = onnxruntime.get_available_providers()",
    ),
    Program(
        "opencv-python-headless",
        ("cv2",),
        "import cv2, numpy as np\n"
        "value = int(cv2.resize(np.arange(64, dtype=np.uint8).reshape(8, 8), (4, 4)).sum())\n"
        "threads = [cv2.getNumThreads()]\n"
        "cv2.setNumThreads(1)\n"
        "draws = []",
    ),
    Program(
        "sqlalchemy",
        ("sqlalchemy", "sqlalchemy.dialects.sqlite"),
        "import sqlalchemy as sa\n"
        "engine = sa.create_engine('sqlite://', poolclass=sa.pool.QueuePool)\n"
        "with engine.connect() as connection: value = connection.execute(sa.text('select 6 * 7')).scalar()\n"
        "value = [value, engine.pool.status()]\n"
        "engine.dispose()",
    ),
    Program(
        "boto3",
        ("boto3", "botocore.client", "botocore.retryhandler"),
        "import boto3\n"
        "client = boto3.client('s3', region_name='eu-west-1', aws_access_key_id='a', aws_secret_access_key='b')\n"
        "value = [client.meta.endpoint_url, client.meta.region_name]",
    ),
    Program(
        "faker",
        ("faker", "faker.providers.person.en_US"),
        "import faker\n"
        "made = faker.Faker()\n"
        "draws = [made.name() + made.address(), made.pyint(0, 10**9)]\n"
        "faker.Faker.seed(3)\n"
        "value = made.name()",
    ),
    Program(
        "prometheus-client",
        ("prometheus_client", "prometheus_client.multiprocess"),
        "import prometheus_client as p\n"
        "from prometheus_client import values\n"
        "counter = p.Counter('visits', 'How many')\n"
        "counter.inc(3)\n"
        "kept = os.environ.get('PROMETHEUS_MULTIPROC_DIR')\n"
        "value = [values.ValueClass.__name__, sorted(os.listdir(kept)) != [] if kept else None]\n"
        "value.append([m.samples[0].value for m in p.REGISTRY.collect() if m.name == 'visits'])\n",
    ),
    Program(
        "protobuf",
        ("google.protobuf", "google.protobuf.struct_pb2"),
        "from google.protobuf import struct_pb2\n"
        "from google.protobuf.internal import api_implementation\n"
        "made = struct_pb2.Struct()\n"
        "made['a'] = 1\n"
        "value = [made.SerializeToString().hex(), api_implementation.Type()]",
    ),
    Program(
        "xgboost",
        ("xgboost",),
        "import numpy as np, xgboost\n"
        "x = np.arange(400.0).reshape(100, 4)\n"
        "made = xgboost.train({'seed': 1, 'max_depth': 2}, xgboost.DMatrix(x, x[:, 0]), 3)\n"
        "value = float(made.predict(xgboost.DMatrix(x))[7])",
    ),
    Program(
        "jax",
        ("jax", "jax.numpy"),
        "import jax, jax.numpy as jnp\n"
        "value = [float(jnp.arange(10.0).sum()), str(jnp.arange(3.0).dtype), jax.default_backend(),\n"
        "         float(jax.random.uniform(jax.random.key(0)))]",
    ),
    Program(
        "torch",
        ("torch",),
        "import torch\n"
        "value = [float((torch.arange(100.0).reshape(10, 10) @ torch.eye(10)).sum())]\n"
        "draws = [torch.initial_seed(), float(torch.rand(1))]\n"
        "threads = [torch.get_num_threads(), torch.get_num_interop_threads()]",
    ),
)
# Ray sets the number of threads.
NUMBERS: tuple[dict[str, str], ...] = ({}, {"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "2"})
# Variables that a library reads when it is imported; FOLDER is an empty one.
READ_AT_IMPORT: dict[str, dict[str, str]] = {
    "jax": {"JAX_ENABLE_X64": "1"},
    "numba": {"NUMBA_NUM_THREADS": "1"},
    "numexpr": {"NUMEXPR_MAX_THREADS": "1"},
    "polars": {"POLARS_MAX_THREADS": "1"},
    "prometheus-client": {"PROMETHEUS_MULTIPROC_DIR": "FOLDER"},
    "protobuf": {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    "pyarrow": {"ARROW_IO_THREADS": "3"},
}
