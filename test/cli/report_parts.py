#!/usr/bin/env python3
"""report_parts.py - what a page of `memman run --report` or `memman compare TRACE --report` is made of.

Usage: report_parts.py PAGE. The page must be whole, ask for nothing from outside, and its samples
must add up to what its report says; of a comparison, its curves. Exit: 0 so it is; else what is wrong, and 1.
"""
import json
import re
import sys
from html.parser import HTMLParser

SECTIONS = {'main', 'tiles', 'charts', 'side', 'text', 'data-about', 'data-report'}
EMPTY = {'meta', 'link'}


class Page(HTMLParser):
    """Collects the text of each element with an id, and sees that all that is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.outside = [], {}, []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in EMPTY:
            self.open.append((tag, attributes.get('id')))
            self.text.setdefault(attributes.get('id'), '')
        self.outside += [attributes[a] for a in ('src', 'href') if not attributes.get(a, '#').startswith(('#', 'data:'))]

    def handle_endtag(self, tag):
        opened = self.open.pop()[0]
        assert opened == tag, f'<{opened}> is closed by </{tag}>'

    def handle_data(self, data):
        for _, name in self.open:
            self.text[name] = self.text.get(name, '') + data


def check(path):
    page = Page()
    source = open(path, encoding='utf-8').read()
    page.feed(source)
    assert not page.open, f'never closed: {page.open}'
    assert SECTIONS <= page.text.keys(), SECTIONS - page.text.keys()
    assert not page.outside and not re.search(r'url\(|@import|https?://(?!www\.w3\.org/2000/svg)', source), page.outside
    data = {name[5:]: json.loads(text) for name, text in page.text.items() if name and name.startswith('data-')}
    about, report = data['about'], data['report']
    assert path.rsplit('/', 1)[1].replace("'", "'\\''") in about['given'], about['given']
    if 'traces' in report:
        check_comparison(about, report, page.text['text'])
    else:
        check_run(about, report, data['samples'], data['slots'], page.text['text'])


def check_comparison(about, report, text):
    assert about['given'].startswith('memman compare ') and about['repeat'] is None
    names = [policy['name'] for policy in report['policies']]
    for trace in report['traces']:
        assert trace['trace'] + ': ' in text
        assert [curve['name'] for curve in trace['miss_ratio_curves']] == names
        for curve in trace['miss_ratio_curves']:
            assert len(curve['frames']) <= 2002, len(curve['frames'])
            step = (trace['pages'] - 1) // 2000 + 1
            for size in trace['sizes']:
                there = next(verdict['hard'] for verdict in size['policies'] if verdict['policy'] == curve['name'])
                if curve['name'] != 'lru':
                    assert dict(zip(curve['frames'], curve['hard'])).get(size['frames'], there) == there, (curve['name'], size)
                elif size['frames'] % step == 0:
                    last = [hard for frames, hard in zip(curve['frames'], curve['hard']) if frames <= size['frames']][-1]
                    assert last == there, (size, last)


def check_run(about, report, samples, slots, text):
    assert about['repeat'].startswith('memman run --machine soft ')
    assert 'Verification: good' in text

    times = samples['times_ns']
    assert len(times) >= 2 and times == sorted(times)
    assert all(len(counts) == len(times) for counts in samples['states'].values())
    states = ['active', 'transition', 'modified', 'standby', 'free', 'zeroed', 'bad']
    for frames in zip(*(samples['states'][state] for state in states)):
        assert sum(frames) * 4096 == report['config']['frames'], frames
    assert sum(samples['accesses']) == report['accesses']
    counters = {(c['group'], c['key']): sum(c['counts']) for c in samples['counters']}
    for kind in ('demand_zero', 'transition', 'hard'):
        there = report['faults'][kind]
        assert counters.get(('faults', kind), 0) == there, (kind, there, counters)
        for table in (samples['heat'], samples['latencies']):
            assert sum(map(sum, table.get(kind, []))) == there, (kind, there)
    assert sum(map(sum, samples['latencies']['access'])) == report['accesses']
    assert all(len(column) + 1 == len(samples['classes_ns']) for column in samples['latencies']['access'])
    assert all(len(column) == samples['stretches'] for column in samples['heat']['hard'])
    assert len(slots['cells']) == 2 * -(-slots['slots'] // slots['per_cell'])
    used = sum(slots['cells'][i:i + 2] != 'AA' for i in range(0, len(slots['cells']), 2))
    assert slots['per_cell'] > 1 or used == report['fragmentation']['slots_used']


try:
    check(sys.argv[1])
except (AssertionError, KeyError, ValueError) as wrong:
    sys.exit(f'{sys.argv[1]}: {wrong!r}')
