"""What every HTML page of the program keeps."""

import html.parser


class Page(html.parser.HTMLParser):
    """Fails on tags left open; knows what the page would have to fetch, and its text."""

    VOID = {"meta", "br", "path", "circle"}

    def __init__(self, text: str):
        super().__init__()
        self.open = []
        self.fetched = []
        self.text = ""
        self.counts = {}
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.fetched += [value for key, value in attributes if key in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data
