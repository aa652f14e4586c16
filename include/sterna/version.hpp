#pragma once

#define STERNA_VERSION "0.1.0"
