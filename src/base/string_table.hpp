// Many short strings in two blocks of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/error.hpp"

namespace sterna {

/// A list of strings, one after the other, and where each ends: a token of 6 bytes takes 10, where a
/// std::string takes 32 or more. Strings are added at the end; a view of one lasts until the next change.
class StringTable {
 public:
  using value_type = std::string_view;
  class Iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string_view*;
    using reference = std::string_view;

    Iterator() = default;
    Iterator(const StringTable* table, std::size_t at) noexcept : table_(table), at_(at) {}
    std::string_view operator*() const noexcept { return (*table_)[at_]; }
    Iterator& operator++() noexcept { return ++at_, *this; }
    Iterator operator++(int) noexcept { return {table_, at_++}; }
    Iterator& operator--() noexcept { return --at_, *this; }
    Iterator& operator+=(difference_type n) noexcept { return at_ += static_cast<std::size_t>(n), *this; }
    friend difference_type operator-(const Iterator& a, const Iterator& b) noexcept {
      return static_cast<difference_type>(a.at_ - b.at_);
    }
    bool operator==(const Iterator& other) const noexcept { return at_ == other.at_; }

   private:
    const StringTable* table_ = nullptr;
    std::size_t at_ = 0;
  };

  StringTable() = default;
  StringTable(std::initializer_list<std::string_view> strings)
      : StringTable(strings.begin(), strings.end()) {}
  template <class It>
  StringTable(It begin, It end) {
    for (; begin != end; ++begin) push_back(*begin);
  }

  std::size_t size() const noexcept { return ends_.size(); }
  bool empty() const noexcept { return ends_.empty(); }
  std::string_view operator[](std::size_t i) const noexcept {
    const std::size_t begin = begin_of(i);
    return {text_.data() + begin, ends_[i] - begin};
  }
  Iterator begin() const noexcept { return {this, 0}; }
  Iterator end() const noexcept { return {this, size()}; }
  bool operator==(const StringTable&) const = default;

  /// Throws Limit beyond 4 GiB of text in all.
  void push_back(std::string_view text) {
    text_ += text;
    end_string();
  }
  /// Lets `append(std::string&)` add the text of the next string, whatever comes before it in the string.
  template <class Append>
  void push_back_with(Append&& append) {
    append(text_);
    end_string();
  }
  /// Takes time in proportion to the whole table.
  void replace(std::size_t i, std::string_view text) {
    StringTable changed;
    for (std::size_t k = 0; k < size(); ++k) changed.push_back(k == i ? text : (*this)[k]);
    *this = std::move(changed);
  }
  void clear() noexcept {
    text_.clear();
    ends_.clear();
  }
  /// Gives back the memory beyond what the strings need.
  void shrink_to_fit() {
    text_.shrink_to_fit();
    ends_.shrink_to_fit();
  }

  /// Asks for where a string lies, then for its bytes, ahead of their use.
  void prefetch_place(std::size_t i) const noexcept { __builtin_prefetch(ends_.data() + i); }
  void prefetch_text(std::size_t i) const noexcept { __builtin_prefetch(text_.data() + begin_of(i)); }

 private:
  std::size_t begin_of(std::size_t i) const noexcept { return i == 0 ? 0 : ends_[i - 1]; }
  void end_string() {
    if (text_.size() > std::numeric_limits<std::uint32_t>::max()) {
      throw Error(ErrorCategory::Limit, "a list of strings is too long",
                  {{"found", std::to_string(text_.size()) + " bytes"}, {"limit", "4 GiB"}});
    }
    ends_.push_back(static_cast<std::uint32_t>(text_.size()));
  }

  std::string text_;
  std::vector<std::uint32_t> ends_;  ///< in text_
};

}  // namespace sterna
