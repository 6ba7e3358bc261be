/** The table of a training run's epochs, a line as soon as its epoch is done. */

/**
 * @param training a task of `train`
 * @param activation heads the column of accuracies
 */
export async function printEpochs(training, activation) {
  console.log(`| epoch | ${activation}: test accuracy | training loss | rate | seconds |`);
  console.log('|---|---|---|---|---|');
  for await (const event of training) {
    if (event.type !== 'epoch') continue;
    const { epoch, testAccuracy, trainLoss, learningRate: rate, seconds } = event;
    console.log(
      `| ${epoch} | ${(100 * testAccuracy).toFixed(2)} % | ${trainLoss.toFixed(4)} | ${rate.toPrecision(2)} | ${seconds.toFixed(1)} |`,
    );
  }
}
