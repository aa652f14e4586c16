// Everything: files in, text out. A program in examples/generate.cpp.
#pragma once

#include "sterna/chat.hpp"
#include "sterna/convert.hpp"
#include "sterna/device.hpp"
#include "sterna/dtype.hpp"
#include "sterna/error.hpp"
#include "sterna/half.hpp"
#include "sterna/log.hpp"
#include "sterna/manipulation.hpp"
#include "sterna/memory.hpp"
#include "sterna/model.hpp"
#include "sterna/ops.hpp"
#include "sterna/sampling.hpp"
#include "sterna/session.hpp"
#include "sterna/tensor.hpp"
#include "sterna/tokenizer.hpp"
#include "sterna/version.hpp"
