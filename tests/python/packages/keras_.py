# needs: keras absl optree namex h5py ml_dtypes rich packaging
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from keras import layers

images, classes = np.random.rand(64, 28, 28, 1).astype("float32"), np.random.randint(0, 10, 64)
steps = [
    layers.Input((28, 28, 1)),
    layers.Conv2D(8, 3, activation="relu"),
    layers.MaxPooling2D(2),
    layers.BatchNormalization(),
    layers.Flatten(),
    layers.Dropout(0.2),
    layers.Dense(10, activation="softmax"),
]
model = keras.Sequential(steps)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
losses = model.fit(images, classes, epochs=2, batch_size=16, verbose=0).history["loss"]
assert losses[1] < losses[0] and model.predict(images[:4], verbose=0).shape == (4, 10)

words = layers.Input((12,))
x = layers.LSTM(8, return_sequences=True)(layers.Embedding(50, 16)(words))
x = layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 4)(x, x))
text = keras.Model(words, layers.Dense(1)(x))
text.compile("rmsprop", "mse")
text.fit(np.random.randint(0, 50, (32, 12)), np.random.rand(32, 1), verbose=0)
text.save("text.keras")
some = np.random.randint(0, 50, (4, 12))
again = keras.models.load_model("text.keras")
np.testing.assert_allclose(again.predict(some, verbose=0), text.predict(some, verbose=0), rtol=1e-5, atol=1e-6)
print("ran")
