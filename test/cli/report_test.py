#!/usr/bin/env python3
"""report_test.py - the pages of `memman run --report` and `memman compare TRACE --report` in a real browser.

Usage: report_test.py MEMMAN. Drives Chromium through chromedriver (WebDriver, over loopback): light
and dark, narrow and wide, with the keyboard alone. Exit: 0 passed; 1 what failed; 77 there is no browser.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

CHARTS = ['frames', 'faults', 'latency', 'address', 'pages', 'slots', 'curves']
SQUARES = {'latency', 'address', 'slots'}  # the cursor moves up and down too
KEYS = {'Tab': '\ue004', 'Enter': '\ue007', 'End': '\ue010', 'Home': '\ue011', 'Left': '\ue012', 'Up': '\ue013', 'Right': '\ue014',
        'Down': '\ue015', 'Space': ' '}
HOSTILE = "</script><img src=x onerror=document.title='pwned'>.html"

# Contrast as WCAG 2 counts it, of each element with text of its own against what is behind it.
CONTRAST = '''
const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4);
const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
function behind(node) {
  for (; node; node = node.parentElement) {
    const colour = rgb(getComputedStyle(node).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
}
const low = [];
for (const node of document.querySelectorAll('body *')) {
  if (!node.checkVisibility() || node.closest('.skip, script, option')) continue;
  const words = Array.from(node.childNodes).filter((n) => n.nodeType === 3 && n.data.trim()).map((n) => n.data.trim()).join(' ');
  const style = getComputedStyle(node), svg = node instanceof SVGElement;
  const check = (colour, least, what) => {
    const found = ratio(luminance(rgb(colour)), luminance(behind(node.parentElement && svg ? node.closest('.plot') : node)));
    if (found < least) low.push(`${what}: ${found.toFixed(2)}`);
  };
  if (words) check(svg ? style.fill : style.color, 4.5, words.slice(0, 40));
  if (svg && node.classList.contains('rate')) check(style.stroke, 3, 'a line of ' + node.closest('.card').id);
}
return low;
'''
PAINTED = '''
const canvas = document.querySelector(`#${arguments[0]} canvas`);
const dots = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
return dots.some((value) => value > 0);
'''


class Browser:
    """One headless Chromium."""

    def __init__(self):
        self.driver = subprocess.Popen(['chromedriver', '--port=0'], stdout=subprocess.PIPE, text=True, start_new_session=True)
        for line in self.driver.stdout:
            found = re.search(r'successfully on port (\d+)', line)
            if found:
                break
        else:
            sys.exit('chromedriver does not start')
        self.base = f'http://127.0.0.1:{found.group(1)}/session'
        flags = ['--headless=new', '--disable-gpu', '--force-device-scale-factor=1'] + (['--no-sandbox'] if os.getuid() == 0 else [])
        session = self.call('POST', '', {'capabilities': {'alwaysMatch': {
            'goog:chromeOptions': {'args': flags}, 'goog:loggingPrefs': {'browser': 'ALL'}}}})
        self.base += '/' + session['sessionId']

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method, data=None if body is None else json.dumps(body).encode())
        try:
            return json.loads(urllib.request.urlopen(request, timeout=60).read())['value']
        except urllib.error.HTTPError as error:
            sys.exit(f'{path}: {error.read().decode()[:600]}')

    def command(self, name, **parameters):
        return self.call('POST', '/goog/cdp/execute', {'cmd': name, 'params': parameters})

    def look(self, width, scheme):
        self.command('Emulation.setDeviceMetricsOverride', width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.command('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': scheme}])

    def open(self, path):
        self.call('POST', '/url', {'url': 'file://' + urllib.request.pathname2url(path)})

    def run(self, script, *arguments):
        return self.call('POST', '/execute/sync', {'script': script, 'args': arguments})

    def press(self, *keys):
        actions = [{'type': kind, 'value': KEYS[key]} for key in keys for kind in ('keyDown', 'keyUp')]
        self.call('POST', '/actions', {'actions': [{'type': 'key', 'id': 'keyboard', 'actions': actions}]})

    def end(self):
        self.call('DELETE', '')
        os.killpg(self.driver.pid, signal.SIGTERM)
        self.driver.wait()


failures = []
checks = 0


def check(what, good, seen=''):
    global checks
    checks += 1
    if not good:
        failures.append(what)
        print(f'FAILED: {what} {seen}')


def check_looks(browser, page, width, scheme, charts):
    """Everything is there, fits, and can be read."""
    where = f'{os.path.basename(page)}, {width} wide, {scheme}'
    browser.look(width, scheme)
    browser.open(page)
    browser.run('return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
    wide = browser.run('return document.documentElement.scrollWidth')
    check(f'{where}: nothing is wider than the window', wide <= width, wide)
    low = browser.run(CONTRAST)
    check(f'{where}: contrast', not low, low[:8])
    for chart in charts:
        drawn = browser.run('return document.querySelectorAll(`#${arguments[0]} svg .tick`).length', chart)
        check(f'{where}: {chart} has axes', drawn >= 3, drawn)
        if chart in SQUARES:
            check(f'{where}: {chart} is painted', browser.run(PAINTED, chart))
        else:
            check(f'{where}: {chart} is drawn', browser.run('return document.querySelectorAll(`#${arguments[0]} path`).length', chart) > 1)
    ground = browser.run('return getComputedStyle(document.body).backgroundColor')
    dark = sum(map(int, re.findall(r'\d+', ground)[:3])) < 200
    check(f'{where}: its ground', dark == (scheme == 'dark'), ground)


def check_keys(browser, chart):
    """The chart has the focus: arrows move the cursor, and what is there is told."""
    tell = 'return [document.getElementById(arguments[0] + "-out").textContent, document.querySelectorAll(`#${arguments[0]} .hair`).length,' \
        ' document.getElementById(arguments[0] + "-out").getAttribute("aria-live")]'
    told = {}
    for key in ('Home', 'Right', 'End') + (('Up',) if chart in SQUARES - {'slots'} else ('Down',) if chart == 'slots' else ()):
        browser.press(key)
        told[key], hair, live = browser.run(tell, chart)
        check(f'{chart}: {key} shows the cursor, and it is told', hair == 1 and live == 'polite', (hair, live))
    check(f'{chart}: each key tells something else', len(set(told.values())) == len(told), told)
    if chart == 'faults':  # the cursor is that of all charts over time
        check('one cursor for all', browser.run(tell, 'pages')[0].split(':')[0] == told['End'].split(':')[0])


def check_keyboard(browser):
    """Tab reaches each chart, then its table, which opens."""
    seen = []
    for _ in range(80):
        browser.press('Tab')
        kind, chart = browser.run('const at = document.activeElement; return [at.className || at.tagName, (at.closest(".card") || {}).id]')
        outline = browser.run('return getComputedStyle(document.activeElement).outlineStyle')
        if kind == 'plot':
            seen.append(chart)
            check(f'{chart}: one sees where the focus is', outline != 'none')
            check_keys(browser, chart)
        elif kind == 'SUMMARY' and chart in CHARTS:
            browser.press('Enter')
            browser.run('return new Promise((done) => setTimeout(done, 30))')
            rows = browser.run('return document.querySelectorAll(`#${arguments[0]} tbody tr`).length', chart)
            check(f'{chart}: its table', rows > 1, rows)
            browser.press('Enter')
        if kind == 'scroll' and chart == 'text':
            break
    check('Tab reaches each chart, in order', seen == CHARTS, seen)


def check_choice(browser):
    """Another kind of latency is another picture and another table."""
    before = browser.run('return document.querySelector("#latency canvas").toDataURL()')
    told = browser.run('return document.getElementById("latency-out").textContent')
    browser.run('document.querySelectorAll("#latency input")[1].focus()')
    browser.press('Right')
    check('a choice is made with the arrows', browser.run('return document.querySelectorAll("#latency input")[2].checked'))
    check('and tells something else', browser.run('return document.getElementById("latency-out").textContent') != told)
    check('and draws another picture', browser.run('return document.querySelector("#latency canvas").toDataURL()') != before)


def check_curves(browser):
    """Miss ratios of every memory, and of the run."""
    check('curves', browser.run('return document.querySelectorAll("#curves .rate").length') == 2)
    check('curves: and the run', browser.run('return document.querySelectorAll("#curves .own").length') == 1)
    browser.run('document.querySelector("#curves .plot").focus()')
    for key, wanted in (('End', r'2,048 frames: lru (\S+) %, opt \1 %'), ('Home', r'11 frames: lru 99.\d %, opt 9\d.\d %')):
        browser.press(key)
        told = browser.run('return document.getElementById("curves-out").textContent')
        check(f'curves: {key}', re.fullmatch(wanted, told), told)


def check_absent(browser, page, memman):
    """What was not timed and what there is not is said."""
    make(memman, page, '--memory', '1M', '--frames', '2M', '--pagefile', '0', '--latency', 'off', '--accesses', '2000')
    browser.open(page)
    for chart, why in (('latency', '--latency off'), ('slots', 'There is none')):
        told = browser.run('return document.getElementById(arguments[0]).textContent', chart)
        check(f'no {chart}: why', why in told, told)
    check('where faults were is known all the same', browser.run(PAINTED, 'address'))


SIZES = 'return Array.from(document.querySelectorAll("#trace-0-sizes tbody tr"), (row) => row.cells[0].textContent)'


def check_compare(browser, memman, folder):
    """Two programs: every policy at every size, and a table that follows the cursor."""
    paths = [os.path.join(folder, name) for name in ("<i>'1", 'two')]
    for path, step in zip(paths, (7, 1)):
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(f'{1 + i * step % 100:x}000 {"RW"[i % 3 == 0]}\n{1 + i % 30:x}000 R\n' for i in range(1000))
    page = os.path.join(folder, 'compare.html')
    subprocess.run([memman, 'compare', *paths, '--policy', 'fifo,lru,aging', '--report', page], check=True, stdout=subprocess.DEVNULL)
    for width, scheme in ((360, 'dark'), (1600, 'light')):
        check_looks(browser, page, width, scheme, ['trace-0', 'trace-1'])
    check('compare: a line for each policy', browser.run('return document.querySelectorAll("#trace-0 .rate").length') == 4)
    given = browser.run('return document.querySelector("#command code").textContent')
    check('compare: the command', given.startswith("memman compare '") and given.endswith(' --policy fifo,lru,aging --report ' + page), given)
    check('compare: the verdict', ' comes nearest to opt: ' in browser.run('return document.getElementById("verdict").textContent'))
    check('compare: all traces', browser.run('return document.querySelectorAll("#means tbody tr").length') == 4)
    browser.run('document.querySelector("#trace-0 .plot").focus()')
    told = {}
    for key in ('Home', 'End'):
        browser.press(key)
        told[key] = browser.run('return [document.getElementById("trace-0-out").textContent, document.getElementById("trace-0-sizes-title").textContent]')
    check('compare: the smallest size', told['Home'][0].startswith('5 frames (5.00 %, 20 KiB): fifo '), told)
    check('compare: its table', told['Home'][1] == "<i>'1 with 5 frames (5.00 %, 20 KiB)", told)
    check('compare: all of the pages', told['End'][1].endswith(' with 100 frames (100.0 %, 400 KiB)'), told)
    check('compare: then all are alike, opt is one of them', sorted(browser.run(SIZES)) == ['aging', 'fifo', 'lru', 'opt'])
    browser.run('document.querySelector("#trace-0 .legend input").focus()')
    browser.press('Space')
    check('compare: a policy is hidden', browser.run('return document.querySelectorAll("#trace-0 .rate").length') == 3)
    check('compare: and not told', 'fifo' not in browser.run('return document.getElementById("trace-0-out").textContent'))
    browser.run('document.querySelectorAll("#trace-0 .choices input")[0].focus()')
    for _ in range(4):
        browser.press('Right')
    told = browser.run('return document.getElementById("trace-0-out").textContent')
    check('compare: another measure, which aging has not: it has soft faults there, opt has nothing', told.endswith(': lru 1.00 ×, aging -, opt 1.00 ×'), told)


def make(memman, page, *options):
    subprocess.run([memman, 'run', '--machine', 'soft', '--threads', '2', '--quiet', '--report', page, *options],
                   check=True, stdout=subprocess.DEVNULL)


def main(memman):
    if shutil.which('chromedriver') is None:
        print('there is no chromedriver: the page is not looked at in a browser (Debian: chromium-driver)')
        sys.exit(77)
    folder = tempfile.mkdtemp()
    os.makedirs(os.path.join(folder, os.path.dirname(HOSTILE)))
    page = os.path.join(folder, HOSTILE)
    make(memman, page, '--memory', '8M', '--frames', '2M', '--accesses', '20000', '--store', 'ram:latency=10000')
    browser = Browser()
    try:
        for width in (360, 1600):
            for scheme in ('light', 'dark'):
                check_looks(browser, page, width, scheme, CHARTS)
        check('it asks for nothing', browser.run('return performance.getEntriesByType("resource").length') == 0)
        given = browser.run('return document.querySelector("#command code").textContent')
        check('the command is told as it was given', HOSTILE.replace("'", "'\\''") in given, given)
        check('and is nothing else', browser.run('return document.images.length') == 0)
        check_keyboard(browser)
        check_choice(browser)
        check_curves(browser)
        check_absent(browser, page, memman)
        check_compare(browser, memman, folder)
        said = browser.call('POST', '/se/log', {'type': 'browser'})
        check('the console is empty', not said, said)
    finally:
        browser.end()
        shutil.rmtree(folder)
    print(f'{checks} checks, {len(failures)} failed')
    sys.exit(1 if failures else 0)


main(sys.argv[1])
