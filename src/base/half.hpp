// The half floats, which are public.
#pragma once

#include "sterna/half.hpp"
