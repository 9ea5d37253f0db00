// Which combinations a model accepts: its entry in GET /api/v1/video-models, and the rules that
// hold for all models (docs/api.md, "Create a job"). The service checks them again.

const FULL_LENGTH = 8; // seconds

/** What the form offers for `order`, whose model, images and resolution are chosen freely. */
export function choicesFor(model, order) {
  const hasFrames = Boolean(order.initialImage || order.endFrame);
  const hasReferences = order.referenceImages.length > 0;
  const hasNegative = Boolean(order.negativePrompt);
  const fullLength = lengthReason(order, hasReferences);
  return {
    resolution: model.resolutions,
    durationSeconds: fullLength ? [FULL_LENGTH] : model.durations,
    aspectRatio: hasReferences ? ['16:9'] : model.aspectRatios,
    initialImage: model.inputs.initialImage > 0 && !hasReferences,
    endFrame: model.inputs.endFrame > 0 && Boolean(order.initialImage) && !hasReferences,
    referenceImages: hasFrames || hasNegative ? 0 : model.inputs.referenceImages,
    negativePrompt: model.negativePrompt && !hasReferences,
    seed: model.seed,
    hints: {
      durationSeconds: fullLength,
      aspectRatio: hasReferences ? 'Videos with reference images are 16:9.' : '',
      initialImage: hasReferences ? 'A first frame cannot be combined with reference images.' : '',
      referenceImages: referenceReason(model, hasFrames, hasNegative),
      negativePrompt: negativeReason(model, hasReferences),
      seed: model.seed ? '' : 'This model does not take a seed.'
    }
  };
}

function lengthReason(order, hasReferences) {
  if (order.resolution === '1080p') return '1080p videos are 8 seconds long.';
  if (order.endFrame) return 'Videos with a last frame are 8 seconds long.';
  if (hasReferences) return 'Videos with reference images are 8 seconds long.';
  return '';
}

function negativeReason(model, hasReferences) {
  if (!model.negativePrompt) return 'This model does not take a negative prompt.';
  return hasReferences ? 'A negative prompt cannot be combined with reference images.' : '';
}

function referenceReason(model, hasFrames, hasNegative) {
  if (!model.inputs.referenceImages) return 'This model does not take reference images.';
  if (hasFrames) return 'Reference images cannot be combined with a first frame.';
  if (hasNegative) return 'Reference images cannot be combined with a negative prompt.';
  return `Up to ${model.inputs.referenceImages} people or things that should appear.`;
}
