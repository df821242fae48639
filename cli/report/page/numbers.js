'use strict';
/* What every page has: how numbers are written, and what the page holds as JSON. */

function readJson(id) {
  return JSON.parse(document.getElementById('data-' + id).textContent);
}
const about = readJson('about'), report = readJson('report');
const pageBytes = 4096;

function amount(number) {
  return Math.round(number).toLocaleString('en-US');
}

/* Three digits and a power: 1.24 M. */
function short(number) {
  const units = ['', ' k', ' M', ' G', ' T'];
  let unit = 0;
  while (Math.abs(number) >= 999.5 && unit < units.length - 1) {
    number /= 1000;
    unit++;
  }
  const digits = number !== 0 && Math.abs(number) < 99.95 ? (Math.abs(number) < 9.995 ? 2 : 1) : 0;
  return String(+number.toFixed(digits)) + units[unit];
}

function bytes(number) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit++;
  }
  return +number.toFixed(number < 10 ? 2 : number < 100 ? 1 : 0) + ' ' + units[unit];
}

function duration(ns) {
  const units = [['ns', 1], ['µs', 1e3], ['ms', 1e6], ['s', 1e9]];
  let unit = 0;
  while (unit < 3 && ns >= units[unit + 1][1]) {
    unit++;
  }
  const value = ns / units[unit][1];
  return +value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) + ' ' + units[unit][0];
}

function moment(s) {
  return s === 0 ? '0 s' : duration(s * 1e9);
}

function percent(part, whole) {
  return whole > 0 ? (100 * part / whole).toFixed(part > 0 && part / whole < 0.1 ? 2 : 1) + ' %' : '0 %';
}

function sum(list) {
  return list.reduce((a, b) => a + b, 0);
}

function added(lists) {
  return lists[0].map((_, i) => lists.reduce((total, list) => total + list[i], 0));
}
