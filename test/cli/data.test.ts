/** Data sets on the command line: shown by name and place, trained on end to end, refused in one line. */
import { existsSync, symlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { cacheDirectory } from '../../datasets/places.js';
import { cifarFiles } from '../datasets/cifarFiles.js';
import { imageFolders, imageNetArchives, webShards } from '../datasets/photos.js';
import { torchTest } from '../support/engine.js';
import { temporaryDirectory, writeSet } from '../support/folders.js';
import { padezooIn } from '../support/padezoo.js';

const cwd = temporaryDirectory();
const padezoo = padezooIn(cwd, { PADEZOO_CACHE: ownCache(), OMP_NUM_THREADS: '1' });

/** A cache with the engine, and none of the data that this machine may have. */
function ownCache(): string {
  const cache = temporaryDirectory();
  for (const name of ['addon', 'libtorch'])
    if (existsSync(join(cacheDirectory(), name)))
      symlinkSync(join(cacheDirectory(), name), join(cache, name));
  return cache;
}

const small = ['--data-option', 'size=32', '--data-option', 'workers=1'];

test.serial('data list names every data set and its place; data show tells what is there', async t => {
  const listed = await padezoo('data', 'list', '--json');
  t.deepEqual(Object.keys(JSON.parse(listed.stdout)), [
    'mnist',
    'fashion-mnist',
    'cifar10',
    'cifar100',
    'imagenet',
    'folder',
    'webdataset',
  ]);
  const [archives, folders, shards] = await Promise.all([imageNetArchives(), imageFolders(), webShards()]);
  const shown = async (word: string) => {
    const { code, stdout, stderr } = await padezoo('data', 'show', '--data', word, ...small, '--json');
    t.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  t.like(await shown(`imagenet:${archives}`), {
    length: { train: 9, test: 3 },
    inputShape: [32, 32, 3],
    classes: ['tench', 'sea snake', 'kit fox'],
  });
  t.like(await shown(`folder:${folders}`), { length: { train: 9, test: 9 } });
  t.like(await shown(`webdataset:${shards}/{split}-*.tar`), { classes: ['0', '1', '2'] });
  const human = await padezoo('data', 'show', '--data', `folder:${folders}`, '--train-images', '5');
  t.regex(human.stdout, /5 images to train, 9 to test, of 224 x 224 x 3\n3 classes: n01440764, n01751748/);
});

torchTest('train vgg8 on CIFAR-10 from a directory and eval, end to end', async t => {
  const directory = writeSet(cifarFiles('cifar10'));
  const trained = await padezoo(
    ...['train', 'vgg8', '--data', `cifar10:${directory}`, '--train-images', '8', '--test-images', '2'],
    ...['--epochs', '2', '--batch-size', '4', '--learning-rate', '0.0001', '--out', 'vgg8', '--json'],
  );
  t.is(trained.code, 0, trained.stderr);
  t.regex(trained.stderr, /2 epochs of 2 steps/);
  t.like(JSON.parse(trained.stdout), { dataset: 'cifar10', epochs: 2, parameters: 3_918_908 });
  const data = ['--data', `cifar10:${directory}`, '--test-images', '2'];
  const again = await padezoo('eval', 'vgg8', ...data, '--json');
  t.is(again.code, 0, again.stderr);
  t.like(JSON.parse(again.stdout), { images: 2, testAccuracy: JSON.parse(trained.stdout).testAccuracy });
  const missing = await padezoo('eval', 'vgg8');
  t.regex(missing.stderr, /the checkpoint names no data set that is known here; give --data/);
  const whole = await padezoo('eval', 'vgg8', '--data', 'cifar10', '--data-dir', directory, '--json');
  t.is(JSON.parse(whole.stdout).images, 3);
});

torchTest('a network takes its input and classes from images of any size and number', async t => {
  const archives = await imageNetArchives();
  const { code, stdout, stderr } = await padezoo(
    ...['train', 'resnet18', '--activation', 'relu', '--data', `imagenet:${archives}`, ...small],
    ...['--epochs', '1', '--batch-size', '9', '--out', 'resnet18', '--json'],
  );
  t.is(code, 0, stderr);
  // Without the 10 classes' 5,130 of 11,173,962, with three classes' 1,539.
  t.like(JSON.parse(stdout), { dataset: 'imagenet', parameters: 11_173_962 - 5_130 + 1_539 });
  const evaluated = await padezoo('eval', 'resnet18', '--data', `imagenet:${archives}`, ...small, '--json');
  t.is(evaluated.code, 0, evaluated.stderr);
  t.is(JSON.parse(evaluated.stdout).images, 3);
  const manifest = await readFile(join(cwd, 'resnet18', 'padezoo.json'), 'utf8');
  t.false(manifest.includes(archives), 'where a user’s files are is not published');
});

const refused: Record<string, [string[], number, RegExp]> = {
  'a place without archives': [
    ['train', 'lenet', '--data', `imagenet:${cwd}`],
    1,
    /padezoo: datasets\.imagenet: .* has no ILSVRC2012_img_train\.tar or train, and no/,
  ],
  'a name that is none': [
    ['train', 'lenet', '--data', 'imagenot:x'],
    2,
    /expected one of mnist, .*; with a place as NAME:PLACE/,
  ],
  'an option that the set has not': [
    ['data', 'show', '--data', 'mnist', '--data-option', 'sizes=28'],
    1,
    /datasets\.mnist: no option sizes/,
  ],
  'an option without a value': [['data', 'show', '--data-option', 'size'], 2, /expected name=value/],
  'a limit without a data set': [['eval', 'net', '--test-images', '5'], 1, /need --data|ENOENT|net/],
  'fetching what is not fetched': [
    ['data', 'fetch', 'imagenet'],
    1,
    /imagenet is not fetched; get its files yourself and give the folder of ILSVRC2012/,
  ],
};
for (const [what, [args, expected, message]] of Object.entries(refused))
  test.serial(`${what} is refused in one line`, async t => {
    const { code, stdout, stderr } = await padezoo(...args);
    t.is(code, expected, stderr);
    t.is(stdout, '');
    t.regex(stderr, message);
    t.notRegex(stderr, /\n {4}at /);
  });
