import test from 'ava';
import { STYLE } from '../../src/report/style.js';

/** Relative luminance and contrast as WCAG 2.2 defines them. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map(at => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const palettes = [...STYLE.matchAll(/:root \{([^}]*)\}/g)].map(
  ([, block]) => new Map([...block!.matchAll(/(--[\w-]+): (#\w{6})/g)].map(([, name, hex]) => [name!, hex!])),
);

for (const [index, scheme] of ['light', 'dark'].entries()) {
  test(`text is readable in the ${scheme} palette: contrast of 4.5 or more`, t => {
    const palette = palettes[index]!;
    const texts = [...palette.keys()].filter(name => /^--(text|muted|accent|series-\d)$/.test(name));
    t.is(texts.length, 9);
    for (const text of texts) {
      for (const ground of ['--page', '--panel', '--best']) {
        const ratio = contrast(palette.get(text)!, palette.get(ground)!);
        t.true(ratio >= 4.5, `${text} on ${ground}: ${ratio.toFixed(2)}`);
      }
    }
    t.true(contrast(palette.get('--text')!, palette.get('--bar')!) >= 4.5);
    t.true(contrast(palette.get('--faint')!, palette.get('--panel')!) >= 3);
  });
}
