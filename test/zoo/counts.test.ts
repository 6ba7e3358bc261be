import test from 'ava';
import { pau, summary, zoo } from '../../src/index.js';
import '../support/engine.js'; // chooses the engine before the first network is built

/**
 * Trainable parameters, multiply-accumulates and activation sites: the papers' tables and PyTorch models built from them
 * (kuangliu's definitions for 32x32 images, torchvision's for ImageNet).
 */
const COUNTS = [
  ['lenet', 'cifar', 61_706, 416_520, 4],
  ['vggMnist', 'cifar', 9_224_458, 151_589_888, 5],
  ['vgg8', 'cifar', 3_918_858, 67_834_880, 5],
  ['mobileNetV2', 'cifar', 2_296_922, 91_154_944, 36],
  ['resnet18', 'cifar', 11_173_962, 555_422_720, 17],
  ['resnet34', 'cifar', 21_282_122, 1_159_402_496, 33],
  ['resnet50', 'cifar', 23_520_842, 1_297_829_888, 49],
  ['resnet101', 'cifar', 42_512_970, 2_509_983_744, 100],
  ['resnet152', 'cifar', 58_156_618, 3_722_137_600, 151],
  ['denseNet121', 'cifar', 6_956_298, 888_350_720, 120],
  ['denseNet169', 'cifar', 12_493_322, 1_059_799_296, 168],
  ['denseNet201', 'cifar', 18_104_330, 1_363_888_896, 200],
  ['mobileNetV2', 'imagenet', 3_504_872, 300_774_272, 35],
  ['resnet18', 'imagenet', 11_689_512, 1_814_073_344, 17],
  ['resnet34', 'imagenet', 21_797_672, 3_663_761_408, 33],
  ['resnet50', 'imagenet', 25_557_032, 4_089_184_256, 49],
  ['resnet101', 'imagenet', 44_549_160, 7_801_405_440, 100],
  ['resnet152', 'imagenet', 60_192_808, 11_513_626_624, 151],
  ['denseNet121', 'imagenet', 7_978_856, 2_834_161_664, 121],
  ['denseNet169', 'imagenet', 14_149_480, 3_359_843_328, 169],
  ['denseNet201', 'imagenet', 20_013_928, 4_291_365_888, 201],
] as const;

for (const [name, variant, parameters, macs, sites] of COUNTS) {
  test(`${name} (${variant}) has ${parameters} parameters, ${macs} multiply-accumulates and ${sites} activations of 10`, t => {
    const model = zoo.create(name, { activation: 'pau', ...(variant === 'imagenet' && { variant }) });
    const measured = summary(model);
    t.is(measured.parameters, parameters + 10 * sites);
    t.is(measured.activationParameters, 10 * sites);
    t.is(measured.macs, macs);
    model.dispose();
  });
}

test('one activation for the whole network is counted once, its memory wherever it is called', t => {
  const [shared, apart] = (['network', 'layer'] as const).map(where => {
    const model = zoo.lenet({ activation: pau({ shared: where }) });
    const counted = summary(model);
    model.dispose();
    return counted;
  });
  t.is(shared!.activationParameters, 10);
  t.is(shared!.parameters, apart!.parameters - 30);
  t.is(shared!.activationBytes, apart!.activationBytes);
  t.is(shared!.macs, apart!.macs);
});
