"""What operator processes do first, done once in the process all of them are forked from."""

import inspect

import numpy as np
from interact_api.config import OperatorConfig

from chaos import pipeline

OperatorConfig.model_rebuild()
pipeline.operators()
pipeline.expected(pipeline.Setup())
inspect.signature(np.dtype.newbyteorder)  # the first one of C's compiles patterns
